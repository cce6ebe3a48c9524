from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.measured import Measured, median, median_ratio, quantile_ms, significant


def test_quantiles_are_latencies_that_somebody_had() -> None:
    latencies = [0.001 * number for number in range(1, 101)]
    assert quantile_ms(latencies, 0.5) == 51.0
    assert quantile_ms(latencies, 0.99) == 100.0


@given(st.lists(st.floats(0.001, 60.0), min_size=1), st.floats(0.0, 1.0))
def test_a_quantile_never_flatters(latencies: list[float], quantile: float) -> None:
    value = quantile_ms(latencies, quantile)
    assert value is not None
    assert sum(1000 * latency <= value + 0.01 for latency in latencies) >= quantile * len(latencies)


def test_a_quantile_among_the_unanswered_is_none() -> None:
    latencies = [0.1] * 98 + [math.inf] * 2
    assert quantile_ms(latencies, 0.5) == 100.0
    assert quantile_ms(latencies, 0.99) is None
    assert quantile_ms([], 0.5) is None


def test_a_round_without_an_answer_is_told_where_a_figure_is_needed() -> None:
    assert Measured(1, 1.0, [0.1, 0.2, 0.3]).answered_quantile_ms(0.5) == 200.0
    with pytest.raises(RuntimeError, match="raise --seconds"):
        Measured(0, 1.0, []).answered_quantile_ms(0.5)


def test_ratios_are_taken_within_a_round() -> None:
    # The machine was twice as fast in the second round; totals would not give 0.5.
    assert median_ratio([10.0, 20.0, 11.0], [20.0, 40.0, 22.0]) == 0.5


@pytest.mark.parametrize(("value", "shown"), [(1239.64, 1240.0), (0.0123456, 0.01235), (0.0, 0.0)])
def test_figures_have_four_digits(value: float, shown: float) -> None:
    assert significant(value) == median([value]) == shown
