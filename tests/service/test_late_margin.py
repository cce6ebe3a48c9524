from __future__ import annotations

import random

import pytest

from service.late_margin import QUANTILE, STEP_SECONDS, LateMargin


def test_it_starts_without_a_margin_and_never_falls_below() -> None:
    margin = LateMargin()
    for _ in range(10):
        margin.answered(-1.0)
    assert margin.seconds == 0.0


@pytest.mark.parametrize("spread", [0.02, 0.1])
def test_it_settles_where_the_quantile_of_the_answers_lies(spread: float) -> None:
    rng = random.Random(0)
    margin = LateMargin()
    for _ in range(2000):
        margin.answered(rng.uniform(0.0, spread))
    within = 0
    for _ in range(4000):
        late_by = rng.uniform(0.0, spread)
        within += late_by <= margin.seconds
        margin.answered(late_by)
    assert within / 4000 == pytest.approx(QUANTILE, abs=0.01)


def test_a_few_late_answers_are_enough_to_learn_from() -> None:
    margin = LateMargin()
    for _ in range(10):
        margin.answered(0.04)
    assert margin.seconds > 0.04
    assert margin.seconds < 0.04 + STEP_SECONDS
