from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.gpu_bench import checking
from loadtest.gpu_bench.checking import check_models, packed_to_time
from loadtest.gpu_bench.correctness import WrongModelError
from loadtest.gpu_bench.models import Model
from loadtest.gpu_bench.plan import Device, plan_for
from loadtest.gpu_bench.report import Report
from relevance.bundle import load_bundle

PACKED = Path("model.packed.onnx")


@pytest.fixture
def model() -> Model:
    return Model("own", load_bundle(Path("models/cross-encoder")), "int8", None, PACKED)


def checked(model: Model, device: Device) -> Report:
    report = Report(plan_for(device, quick=True))
    check_models([model], [], report)
    return report


def gives(monkeypatch: pytest.MonkeyPatch, found: float | Exception) -> None:
    def check(*_: Any) -> float:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(checking, "check_packed", check)


def test_a_packed_graph_that_is_right_is_timed(
    monkeypatch: pytest.MonkeyPatch, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    gives(monkeypatch, 0.004)
    report = checked(model, "cuda")
    assert report.correctness == {"own": {"packed_logit_difference": 0.004}}
    assert packed_to_time(model, report) == PACKED
    assert "| packed logit difference | 0.004 |" in capsys.readouterr().out


def test_one_that_is_wrong_ends_the_run(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    gives(monkeypatch, WrongModelError("a logit without padding is 0.3 from the padded one"))
    with pytest.raises(WrongModelError, match="without padding"):
        checked(model, "cuda")


@pytest.mark.parametrize(
    ("device", "packed", "reason"),
    [
        ("cuda", PACKED, "no kernel for PackedAttention"),
        ("cuda", None, "there is no packed graph of this bundle"),
        ("cpu", PACKED, "CUDA alone has it"),
    ],
)
def test_one_that_cannot_be_checked_is_not_timed_and_the_reason_is_told(
    monkeypatch: pytest.MonkeyPatch, model: Model, device: Device, packed: Path | None, reason: str
) -> None:
    gives(monkeypatch, RuntimeError("no kernel for PackedAttention"))
    own = replace(model, packed=packed)
    report = checked(own, device)
    assert packed_to_time(own, report) is None
    assert report.left_out["own: mixed_packed"] == reason
