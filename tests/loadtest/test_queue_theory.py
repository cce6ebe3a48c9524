from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.arrivals import poisson_arrivals
from loadtest.queue_theory import latencies_of, latency_quantile, share_waiting_at_most

LOADS = (0.1, 0.5, 0.7, 0.9)


def mean_wait(load: float) -> float:
    """Mean wait in service times (Pollaczek and Khinchine)."""
    return load / (2 * (1 - load))


@pytest.mark.parametrize("load", LOADS)
def test_an_idle_server_is_found_by_the_share_that_it_idles(load: float) -> None:
    assert share_waiting_at_most(0.0, load) == pytest.approx(1 - load)


@pytest.mark.parametrize("load", LOADS)
def test_the_distributions_mean_is_pollaczeks(load: float) -> None:
    waits = np.linspace(0.0, 22.0, 22_001)
    beyond = 1 - np.array([share_waiting_at_most(float(wait), load) for wait in waits])
    # The sum's last digits are noise.
    assert np.all(np.diff(beyond) <= 2e-5)
    assert np.trapezoid(beyond, waits) == pytest.approx(mean_wait(load), rel=0.02)


@pytest.mark.parametrize("load", LOADS)
def test_quantiles_are_those_of_a_long_queue(load: float) -> None:
    arrivals = poisson_arrivals(load / 0.005, 2000.0, seed=1)
    latencies = latencies_of(arrivals, 0.005)
    for quantile in (0.5, 0.99):
        # 360,000 requests at 90 %, which still sway by a few percent.
        assert np.quantile(latencies, quantile) == pytest.approx(latency_quantile(quantile, load, 0.005), rel=0.05)


@given(gaps=st.lists(st.floats(0.0, 3.0), min_size=1, max_size=30))
def test_nobody_overtakes_and_one_is_served_at_a_time(gaps: list[float]) -> None:
    arrivals = np.cumsum(gaps)
    ends = arrivals + np.asarray(latencies_of(arrivals.tolist(), 1.0))
    assert np.all(np.diff(ends) >= 1.0 - 1e-9)
    # Each starts when it comes or when the one before it ends.
    starts = ends - 1.0
    before = np.concatenate([[-np.inf], ends[:-1]])
    assert starts == pytest.approx(np.maximum(arrivals, before))


@pytest.mark.parametrize(("load", "quantile"), [(0.0, 0.5), (0.99, 0.5), (0.5, 0.999)])
def test_where_the_sum_has_no_digits_there_is_no_figure(load: float, quantile: float) -> None:
    with pytest.raises(ValueError, match="loads up to"):
        latency_quantile(quantile, load, 1.0)
