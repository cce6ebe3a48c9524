from __future__ import annotations

from xml.etree import ElementTree

from loadtest.report.pictures import hockey_stick, latency_over_time, pictures_of
from loadtest.report.record import Point
from tests.loadtest.report.records import BARE, DEAD, FULL, answer, record_of


def test_everything_that_was_measured_is_drawn_as_an_svg_of_its_own() -> None:
    pictures = pictures_of(FULL)
    assert len(pictures) == len(set(pictures.values())) == 5
    for svg in pictures.values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_equal_records_are_drawn_equally() -> None:
    assert pictures_of(FULL) == pictures_of(FULL)


def test_what_did_not_happen_is_not_drawn() -> None:
    assert pictures_of(BARE) == {}
    assert "Errors and degraded answers" not in pictures_of(record_of([answer(0.1, 0.02)], 1.0))


def test_gaps_are_left_where_nothing_was_answered() -> None:
    never = Point(rate=10.0, p50_ms=None, p99_ms=None, error_rate=1.0, holds=False)
    for svg in (latency_over_time(DEAD.slices, {}), hockey_stick([never])):
        assert ElementTree.fromstring(svg).tag.endswith("svg")
