from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import (
    burst_arrivals,
    constant_arrivals,
    poisson_arrivals,
    ramp_arrivals,
    replayed_arrivals,
    step_arrivals,
)

RATES = st.floats(0.1, 200.0)
SECONDS = st.floats(0.0, 5.0)
SEEDS = st.integers(0, 2**32)


def within(times: tuple[float, ...], seconds: float) -> bool:
    """Whether they ascend in [0, seconds)."""
    return list(times) == sorted(times) and all(0.0 <= time < seconds for time in times)


@given(rate=RATES, seconds=SECONDS, seed=SEEDS)
def test_times_ascend_within_the_span_and_repeat_with_the_seed(rate: float, seconds: float, seed: int) -> None:
    times = poisson_arrivals(rate, seconds, seed)
    assert within(times, seconds)
    assert times == poisson_arrivals(rate, seconds, seed)


def test_gaps_are_those_of_a_poisson_process() -> None:
    times = poisson_arrivals(rate=50.0, seconds=400.0, seed=1)
    assert abs(len(times) - 20_000) < 4 * math.sqrt(20_000)
    gaps = np.diff(times)
    # Exponential gaps: the deviation equals the mean, and 1 - 1/e of them are below it.
    assert np.std(gaps) == pytest.approx(np.mean(gaps), rel=0.03)
    assert np.mean(gaps < np.mean(gaps)) == pytest.approx(1 - 1 / math.e, abs=0.01)


def test_another_seed_gives_other_times() -> None:
    assert poisson_arrivals(20.0, 10.0, seed=1) != poisson_arrivals(20.0, 10.0, seed=2)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_no_rate_is_an_error(rate: float) -> None:
    with pytest.raises(ValueError, match="the rate must be positive"):
        poisson_arrivals(rate, 1.0, seed=0)
    with pytest.raises(ValueError, match="the rate must be positive"):
        constant_arrivals(rate, 1.0)
    with pytest.raises(ValueError, match="the speed must be positive"):
        replayed_arrivals([0.0], rate, 1.0)


@given(rate=RATES, seconds=SECONDS)
def test_a_constant_rate_keeps_its_gaps_and_fills_the_span(rate: float, seconds: float) -> None:
    times = constant_arrivals(rate, seconds)
    assert within(times, seconds)
    assert np.diff(times) == pytest.approx(1 / rate)
    if seconds > 0:
        assert times[0] == 0.0
        assert times[-1] + 1 / rate >= seconds - 1e-9


@given(steps=st.lists(st.tuples(st.one_of(st.just(0.0), RATES), SECONDS), max_size=4), seed=SEEDS)
def test_steps_follow_each_other(steps: list[tuple[float, float]], seed: int) -> None:
    assert within(step_arrivals(steps, seed), sum(seconds for _, seconds in steps) + 1e-9)


def test_each_step_has_its_own_rate() -> None:
    times = np.asarray(step_arrivals([(10.0, 100.0), (0.0, 50.0), (40.0, 100.0)], seed=2))
    first, pause, last = (np.sum((times >= a) & (times < b)) for a, b in ((0, 100), (100, 150), (150, 250)))
    assert abs(first - 1000) < 4 * math.sqrt(1000)
    assert pause == 0
    assert abs(last - 4000) < 4 * math.sqrt(4000)


def test_equal_steps_are_not_the_same_times_again() -> None:
    times = step_arrivals([(20.0, 5.0), (20.0, 5.0)], seed=0)
    second = [time - 5.0 for time in times if time >= 5.0]
    assert [time for time in times if time < 5.0] != pytest.approx(second)


@given(rates=st.tuples(RATES, RATES), seconds=SECONDS, seed=SEEDS)
def test_a_ramp_stays_within_its_span(rates: tuple[float, float], seconds: float, seed: int) -> None:
    times = ramp_arrivals(rates, seconds, seed)
    assert within(times, seconds)
    assert times == ramp_arrivals(rates, seconds, seed)


@pytest.mark.parametrize("rates", [(0.0, 100.0), (100.0, 0.0), (20.0, 80.0)])
def test_a_ramp_goes_evenly(rates: tuple[float, float]) -> None:
    times = np.asarray(ramp_arrivals(rates, 100.0, seed=3))
    assert abs(len(times) - 5000) < 4 * math.sqrt(5000)
    # Half of the way, the rate is the mean of both: the first half holds the first rate's three quarters.
    expected = 50 * (0.75 * rates[0] + 0.25 * rates[1])
    assert abs(np.sum(times < 50.0) - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("rates", [(0.0, 0.0), (-1.0, 5.0)])
def test_a_ramp_without_arrivals_is_an_error(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a ramp needs rates of 0 or more and one above it"):
        ramp_arrivals(rates, 1.0, seed=0)


@given(size=st.integers(1, 20), every=st.floats(0.1, 3.0), seconds=SECONDS)
def test_bursts_come_at_once_and_on_time(size: int, every: float, seconds: float) -> None:
    times = burst_arrivals(0.0, (size, every), seconds, seed=0)
    assert within(times, seconds)
    assert set(Counter(times).values()) <= {size}
    assert sorted(set(times)) == pytest.approx([every * (n + 1) for n in range(len(set(times)))])


@given(rate=RATES, seconds=SECONDS, seed=SEEDS)
def test_between_bursts_arrivals_are_those_of_the_rate(rate: float, seconds: float, seed: int) -> None:
    times = Counter(burst_arrivals(rate, (3, 1.0), seconds, seed))
    assert within(tuple(sorted(times.elements())), seconds)
    assert times - Counter(burst_arrivals(0.0, (3, 1.0), seconds, seed)) == Counter(
        poisson_arrivals(rate, seconds, seed)
    )


@pytest.mark.parametrize("burst", [(0, 1.0), (2, 0.0)])
def test_a_burst_of_nothing_is_an_error(burst: tuple[int, float]) -> None:
    with pytest.raises(ValueError, match="a burst needs a positive size and span"):
        burst_arrivals(1.0, burst, 1.0, seed=0)


@given(
    times=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=30).map(sorted),
    speed=st.floats(0.5, 4.0),
    seconds=SECONDS,
)
def test_a_replay_keeps_the_gaps_over_its_speed(times: list[float], speed: float, seconds: float) -> None:
    replayed = replayed_arrivals(times, speed, seconds)
    assert within(replayed, seconds)
    assert np.asarray(replayed) * speed + times[0] == pytest.approx(np.asarray(times[: len(replayed)]), abs=1e-9)
    if len(replayed) < len(times):
        assert (times[len(replayed)] - times[0]) / speed >= seconds


def test_a_log_that_goes_back_in_time_is_an_error() -> None:
    with pytest.raises(ValueError, match="time 1 s comes after 2 s"):
        replayed_arrivals([0.0, 2.0, 1.0], 1.0, 10.0)
