from __future__ import annotations

import random

import pytest

from service.late_margin import IN_TIME, STEP_SECONDS, LateMargin


def test_it_starts_without_a_margin_and_never_falls_below() -> None:
    margin = LateMargin()
    for _ in range(10):
        margin.answered(in_time=True, most=1.0)
    assert margin.seconds == 0.0


@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_it_settles_where_the_wanted_part_is_in_time(spread: float) -> None:
    rng = random.Random(0)
    margin = LateMargin()
    kept = 0
    for number in range(8000):
        # Let in with just this margin, a request that is later than that misses its deadline.
        in_time = rng.uniform(0.0, spread) <= margin.seconds
        kept += in_time and number >= 2000
        margin.answered(in_time, most=1.0)
    assert kept / 6000 == pytest.approx(IN_TIME, abs=0.01)


def test_a_few_missed_deadlines_are_enough_to_learn_from() -> None:
    margin = LateMargin()
    for _ in range(10):
        margin.answered(in_time=False, most=1.0)
    assert margin.seconds == pytest.approx(10 * STEP_SECONDS * IN_TIME)


def test_a_request_raises_it_no_further_than_it_could_have_had_itself() -> None:
    margin = LateMargin()
    for _ in range(100):
        margin.answered(in_time=False, most=0.02)
    assert margin.seconds == 0.02
    for _ in range(100):
        margin.answered(in_time=False, most=0.1)
    assert margin.seconds == 0.1
    margin.answered(in_time=False, most=0.02)
    assert margin.seconds == 0.1
    margin.answered(in_time=True, most=0.02)
    assert margin.seconds < 0.1
