from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest.report.page import page_of
from loadtest.report.pictures import pictures_of
from loadtest.report.record import Capacity, Point, Record, RecordError, read_record
from loadtest.report.write import write_report
from tests.loadtest.report.records import answer, failure, record_of

POINTS = [
    Point(rate=10.0, p50_ms=20.0, p99_ms=40.0, error_rate=0.0, holds=True),
    Point(rate=40.0, p50_ms=90.0, p99_ms=None, error_rate=0.2, holds=False),
]
FULL = record_of(
    [answer(number / 10, 0.02, degraded=number == 7) for number in range(40)] + [failure(3.9)], 4.0
).model_copy(
    update={"notes": ["<b>look</b>"], "reasons": [], "capacity": Capacity(rate=10.0, exact=True, points=POINTS)}
)
BARE = Record(verdict="not measured", reasons=["no <one> there"], target="x", started="now", budget={}, machine={})


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    page = tmp_path / "deep" / "report.html"
    for record in (FULL, BARE):
        assert read_record(write_report(record, page)) == record
        assert page.read_text() == page_of(record)


def test_a_file_that_is_no_record_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="cannot read"):
        read_record(tmp_path / "none.json")
    (tmp_path / "other.json").write_text('{"version": 2}')
    with pytest.raises(RecordError, match=r"other\.json is not the record of a run: version"):
        read_record(tmp_path / "other.json")


def test_the_page_needs_nothing_else_and_quotes_safely() -> None:
    page = page_of(FULL)
    assert "<script" not in page
    assert not re.findall(r'(?:src|href)="(?!data:)', page)
    assert "<b>look" not in page
    assert "&lt;b&gt;look" in page
    assert "&lt;reset&gt; &amp; gone" in page
    assert "no &lt;one&gt; there" in page_of(BARE)


def test_the_page_says_everything() -> None:
    page = page_of(FULL)
    for text in (
        *("Load test: holds", "Rates that were tried", "Figures", "Errors by kind", "Abacus 9000", "send lag p99"),
        *pictures_of(FULL),
    ):
        assert text in page
    assert page.count("<img") == len(pictures_of(FULL)) == 5


def test_every_picture_is_an_svg_of_its_own() -> None:
    pictures = pictures_of(FULL)
    assert len(set(pictures.values())) == len(pictures)
    for svg in pictures.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert pictures_of(BARE) == {}
    encoded = re.findall(r"base64,([^\"]+)", page_of(FULL))
    assert [base64.b64decode(one).decode() for one in encoded] == list(pictures.values())


def test_where_nothing_failed_no_failures_are_drawn() -> None:
    calm = record_of([answer(number / 10, 0.02) for number in range(10)], 1.0)
    assert "Errors and degraded answers" not in pictures_of(calm)
    assert "Errors by kind" not in page_of(calm)


def test_where_nothing_was_answered_the_page_is_written_all_the_same() -> None:
    dead = record_of([failure(number / 10) for number in range(10)], 1.0)
    dead = dead.model_copy(update={"budget": {}, "capacity": Capacity(rate=None, exact=False, points=[POINTS[1]])})
    assert "no answer" in page_of(dead)
