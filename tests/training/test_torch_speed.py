from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relevance.pair_encoding import EncodedPair
from training import torch_speed
from training.models import untrained_shapes
from training.torch_speed import Bench, TorchModel, main

TINY = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 64}
BODY = {"query": "red shoe", "candidates": [{"title": "a red shoe"}, {"title": "an oak table, 2 m, for the garden"}]}


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(untrained_shapes.SHAPES, "minilm-l6", TINY)


def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    bodies = tmp_path / "bodies.json"
    bodies.write_text(json.dumps([BODY]))
    arguments = ["--device", "cpu", "--seconds", "0.02", "--matmul", "32", "--bodies", str(bodies)]
    assert main([*arguments, "--shapes", "minilm-l6", "--buckets", "2x16"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "shapes" in json.loads(lines[0])
    report: dict[str, Any] = json.loads(lines[-1])
    return report


def test_a_compiler_that_fails_costs_its_row_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no C++ compiler\nfurther lines")

    monkeypatch.setattr(torch_speed.torch, "compile", fail)
    report = run(tmp_path, capsys)
    assert set(report["matmul_tflops"]) == {"float32", "bfloat16"}
    found = report["shapes"]["minilm-l6"]
    assert found["left_out"] == {"compiled": "RuntimeError: no C++ compiler"}
    assert set(found["eager"]) == {"2x16", "texts"}
    assert len(found["logits"]) == 2


def test_logits_do_not_depend_on_the_padding_to_32() -> None:
    model = TorchModel("minilm-l6", Bench("cpu", 0.01), compiled=False)
    pair = EncodedPair((101, 2417, 102, 6000, 102), (0, 0, 0, 1, 1))
    longer = EncodedPair((101, *range(2000, 2040), 102), (0,) * 42)
    alone, (together, _) = model.logits([pair], 0)[0], model.logits([pair, longer], 0)
    assert alone == pytest.approx(together, abs=1e-5)


def test_two_processes_would_have_the_same_weights_and_logits_that_differ() -> None:
    first, second = (untrained_shapes.untrained_cross_encoder("minilm-l6") for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    ids = torch.randint(1000, 30000, (16, 20), generator=torch.Generator().manual_seed(1))
    logits = first(input_ids=ids).logits.detach().numpy()
    assert np.ptp(logits) > 0.1


def test_a_device_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch_speed.torch.cuda, "is_available", lambda: False)
    assert main(["--device", "cuda"]) == 1
    assert "finds no CUDA device" in capsys.readouterr().err
