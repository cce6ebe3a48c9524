from __future__ import annotations

import math

import pytest

from training.report.numbers import interval, number, p_value, verdict


def values(mean: float | None, low: float | None, high: float | None) -> dict[str, float | None]:
    return {"mean": mean, "low": low, "high": high}


@pytest.mark.parametrize(
    ("difference", "queries", "p", "expected"),
    [
        (values(0.02, 0.01, 0.03), 80, 0.01, "higher"),
        (values(-0.02, -0.03, -0.01), 80, 0.01, "lower"),
        (values(0.02, -0.001, 0.03), 80, 0.01, "not significant: the interval crosses 0"),
        (values(0.02, 0.0, 0.03), 80, None, "not significant: the interval crosses 0"),
        (values(0.0, 0.0, 0.0), 80, 1.0, "not significant: the interval crosses 0"),
        (
            values(0.02, 0.01, 0.03),
            80,
            0.07,
            "undecided: higher by the interval, not significant by the randomisation test",
        ),
        (values(0.02, 0.01, 0.03), 9, 0.01, "too few queries to tell"),
        (values(None, None, None), 80, None, "undefined"),
    ],
)
def test_no_more_is_said_than_was_measured(
    difference: dict[str, float | None], queries: int, p: float | None, expected: str
) -> None:
    assert verdict(difference, queries, p) == expected


def test_numbers_as_text() -> None:
    assert number(-0.5) == "−0.500"
    assert number(None) == number(math.nan) == interval(values(None, None, None)) == "–"
    assert interval(values(0.5, -0.25, 0.75), "+") == "+0.500 [−0.250, +0.750]"
    assert (p_value(0.0001), p_value(0.0123), p_value(None)) == ("< 0.001", "0.012", "–")
