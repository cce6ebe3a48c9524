from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtest.gpu_bench import models
from loadtest.gpu_bench.models import made, opened, opened_split, precision_on
from loadtest.gpu_bench.plan import Device, plan_for
from relevance.bundle import load_bundle
from tests.service.tiny_bundle import write_bundle

CROSS_ENCODER, SPLIT = Path("models/cross-encoder"), Path("models/default")


@pytest.fixture
def makes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, str]]:
    """Notes what is made, in the place of training.untrained; a bundle and a packed graph of no use."""
    asked: list[dict[str, str]] = []

    def make(arguments: Any) -> None:
        given = dict(zip(arguments[::2], arguments[1::2], strict=True))
        asked.append(given)
        directory = Path(given["-o"])
        for precision in ("fp32", "fp16"):
            directory.mkdir(parents=True, exist_ok=True)
            (directory / f"{precision}.onnx").write_bytes(b"")
        write_bundle(directory, graphs={"fp32": "fp32.onnx", "fp16": "fp16.onnx"})
        if "--packed" in given:
            Path(given["--packed"]).write_bytes(b"")

    monkeypatch.setattr(models, "_make", make)
    return asked


@pytest.mark.parametrize(("device", "precision"), [("cuda", "fp16"), ("cpu", "fp32")])
def test_a_shape_is_made_once_and_packed_for_cuda_alone(
    makes: list[dict[str, str]], tmp_path: Path, device: Device, precision: str
) -> None:
    plan = plan_for(device, quick=True)
    first, second = (made("minilm-l6", tmp_path, plan) for _ in range(2))
    assert len(makes) == 1
    assert (first.precision, first.packed) == (second.precision, second.packed)
    assert first.precision == precision
    assert (first.packed is not None and first.packed.exists()) is (device == "cuda")


def test_one_that_a_cpu_run_made_is_made_again_for_cuda_with_its_packed_graph(
    makes: list[dict[str, str]], tmp_path: Path
) -> None:
    made("minilm-l6", tmp_path, plan_for("cpu", quick=True))
    (tmp_path / "minilm-l6.packed.onnx").write_bytes(b"of an earlier form")
    again = made("minilm-l6", tmp_path, plan_for("cuda", quick=True))
    assert [bool("--packed" in given) for given in makes] == [False, True]
    assert again.packed is not None and again.packed.name != "minilm-l6.packed.onnx"


def test_what_was_named_for_the_other_kind_or_device_is_refused_with_the_way_out() -> None:
    cpu, cuda = (plan_for(device, quick=True) for device in ("cpu", "cuda"))  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=r"models/default is a split student.*use --split"):
        opened("own", SPLIT, cpu)
    with pytest.raises(RuntimeError, match=r"models/cross-encoder is a cross-encoder.*use --bundle"):
        opened_split(CROSS_ENCODER, cpu)
    with pytest.raises(RuntimeError, match="models/default has int8, and cuda runs fp16 or fp32: export those"):
        opened_split(SPLIT, cuda)
    assert precision_on(load_bundle(SPLIT), cpu) == precision_on(opened_split(SPLIT, cpu), cpu) == "int8"
