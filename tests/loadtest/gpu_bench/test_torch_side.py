from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtest.gpu_bench import torch_side
from loadtest.gpu_bench.plan import plan_for
from loadtest.gpu_bench.torch_side import measure_torch

PLAN = plan_for("cpu", quick=True)


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the place of training.torch_speed, as source that a test writes."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(torch_side, "MODULE", "stand_in")
    return tmp_path / "stand_in.py"


def test_the_last_report_counts_and_it_is_told_what_to_measure(says: Path) -> None:
    says.write_text("import json, sys; print(json.dumps({'early': 1})); print(json.dumps({'got': sys.argv[1:]}))")
    got = measure_torch(PLAN, ["minilm-l6"], [])["got"]
    assert got[:2] == ["--device", "cpu"]
    assert got[got.index("--shapes") + 1] == "minilm-l6"
    assert got[got.index("--buckets") + 1] == "2x16"


def test_one_that_takes_too_long_keeps_what_it_measured_before(says: Path) -> None:
    says.write_text("import sys; print('{\"shapes\": {}}', flush=True); import threading; threading.Event().wait()")
    report = measure_torch(replace(PLAN, torch_timeout=2.0), [], [])
    assert report["shapes"] == {}
    assert report["stopped"] == "stand_in took longer than 2 s"


def test_one_that_fails_is_told_by_the_last_line_of_its_error(says: Path) -> None:
    says.write_text("import sys; sys.exit('error: finds no CUDA device')")
    with pytest.raises(RuntimeError, match="stand_in failed: error: finds no CUDA device"):
        measure_torch(PLAN, [], [])
