from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.command import finish
from loadtest.report.record import Verdict
from tests.loadtest.report.records import BARE, FULL


@pytest.mark.parametrize(("verdict", "code"), [("holds", 0), ("missed", 1), ("not measured", 2)])
def test_the_exit_code_is_the_verdict(verdict: Verdict, code: int, tmp_path: Path) -> None:
    record = BARE.model_copy(update={"verdict": verdict})
    assert finish(record, tmp_path / "report.html") == code
    assert (tmp_path / "report.json").exists()


def test_notes_and_reasons_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finish(FULL.model_copy(update={"verdict": "missed", "reasons": ["p99_ms: late"]}), tmp_path / "report.html")
    captured = capsys.readouterr()
    assert captured.err == "note: <b>look</b>\nmissed: p99_ms: late\n"
    assert captured.out == f"missed; see {tmp_path / 'report.html'} and {tmp_path / 'report.json'}\n"


def test_a_report_that_cannot_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert finish(BARE, tmp_path / "file" / "report.html") == 2
    assert "error: cannot write" in capsys.readouterr().err
