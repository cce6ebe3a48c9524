from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.compare import compare, main, warnings_of
from loadtest.report.record import Record, RecordError
from loadtest.report.write import write_report
from tests.loadtest.report.records import answer, failure, record_of


def made(latency: float, seconds: int = 12) -> Record:
    outcomes = [answer(number / 20, latency * (1 + number % 5 / 10)) for number in range(20 * seconds)]
    return record_of(outcomes, float(seconds))


NOTHING = Record(verdict="not measured", reasons=["refused"], target="x", started="now", budget={}, machine={})


def test_two_files_are_compared_line_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write_report(made(latency), tmp_path / f"{latency}.html") for latency in (0.02, 0.03)]
    assert main([str(file) for file in files]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.err == ""
    assert lines[2] == "| p50_ms | 24 | 36 | +12 | +12 … +12 | outside the noise |"
    assert lines[5] == "| error_rate | 0 | 0 | +0 | +0 … +0 | within the noise |"


def test_without_answers_nothing_is_made_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = write_report(record_of([failure(number / 2) for number in range(40)], 20.0), tmp_path / "dead.html")
    assert main([str(dead), str(dead)]) == 0
    out = capsys.readouterr().out
    assert "| p50_ms | no answer | no answer | not known | not known | cannot be told |" in out
    assert "| queue_mean_ms | not told | not told | not known | not known | cannot be told |" in out


def test_what_cannot_be_compared_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecordError, match="the second run measured nothing: refused"):
        compare(made(0.02), NOTHING)
    assert main([str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert capsys.readouterr().err.startswith("error: cannot read")


def test_runs_that_were_not_alike_are_told() -> None:
    record = made(0.02)
    assert record.generator
    late = record.generator.model_copy(update={"bottleneck": "the generator was late"})
    other = made(0.02, seconds=3).model_copy(
        update={"budget": {"load": {"rate": 3}}, "machine": {"cpu": "other"}, "generator": late}
    )
    assert warnings_of(record, record) == []
    assert [warning[:24] for warning in warnings_of(record, other)] == [
        "the runs differ in their",
        "the runs were made on di",
        "the second run is too sh",
        "the second run: the gene",
    ]
