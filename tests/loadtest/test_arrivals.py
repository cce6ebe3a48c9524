from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import poisson_arrivals


@given(rate=st.floats(0.1, 200.0), seconds=st.floats(0.0, 5.0), seed=st.integers(0, 2**32))
def test_times_ascend_within_the_span_and_repeat_with_the_seed(rate: float, seconds: float, seed: int) -> None:
    times = poisson_arrivals(rate, seconds, seed)
    assert list(times) == sorted(times)
    assert all(0.0 <= time < seconds for time in times)
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


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_no_rate_is_an_error(rate: float) -> None:
    with pytest.raises(ValueError, match="the rate must be positive"):
        poisson_arrivals(rate, 1.0, seed=0)
