from __future__ import annotations

import base64
import re

from loadtest.report.page import page_of
from loadtest.report.pictures import pictures_of
from tests.loadtest.report.records import BARE, DEAD, FULL, answer, record_of


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
    for text in ("Load test: holds", "Rates that were tried", "Figures", "Errors by kind", "Abacus", "send lag p99"):
        assert text in page
    for title in pictures_of(FULL):
        assert title in page


def test_pictures_are_inside() -> None:
    encoded = re.findall(r"base64,([^\"]+)", page_of(FULL))
    assert [base64.b64decode(one).decode() for one in encoded] == list(pictures_of(FULL).values())


def test_without_failures_there_is_no_table_of_them() -> None:
    assert "Errors by kind" not in page_of(record_of([answer(number / 10, 0.02) for number in range(10)], 1.0))


def test_where_nothing_was_answered_the_page_says_so() -> None:
    assert "no answer" in page_of(DEAD)
