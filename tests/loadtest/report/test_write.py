from __future__ import annotations

from pathlib import Path

from loadtest.report.page import page_of
from loadtest.report.record import read_record
from loadtest.report.write import write_report
from tests.loadtest.report.records import BARE, DEAD, FULL


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "report.html"
    for record in (FULL, BARE, DEAD):
        content = write_report(record, page)
        assert content == tmp_path / "deep" / "report.json"
        assert read_record(content) == record
        assert page.read_text() == page_of(record)
