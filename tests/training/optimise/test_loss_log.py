from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import RunDirectoryError
from training.optimise.loss_log import LossLog, read_losses


def test_a_resumed_runs_later_line_of_a_step_counts(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    for losses in ([(1, 5.0), (2, 4.0), (3, 3.0)], [(2, 4.5), (3, 3.5), (4, 2.5)]):
        log = LossLog(path)
        for step, loss in losses:
            log(step, 4, loss)
    assert read_losses(path) == [(1, 5.0), (2, 4.5), (3, 3.5), (4, 2.5)]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    LossLog(path)(1, 2, 0.5)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 2, "ste')
    LossLog(path)(2, 2, 0.25)
    assert read_losses(path) == [(1, 0.5), (2, 0.25)]


def test_a_line_that_is_no_step_is_named(tmp_path: Path) -> None:
    path = tmp_path / "losses.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n[]\n', encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=r"losses.jsonl:2"):
        read_losses(path)
