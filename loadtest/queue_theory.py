"""What queueing theory says of one server with a fixed service time: what an honest load generator has to see. Pure.

M/D/1: Poisson arrivals, one request at a time, each takes equally long. A load is the rate of arrivals times the
service time, in (0, 1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

HIGHEST_LOAD, HIGHEST_QUANTILE = 0.95, 0.995
"""Beyond these, the alternating sum of the distribution loses its digits."""


def latencies_of(arrivals: Sequence[float], service: float) -> list[float]:
    """Exact latency (s) of each arrival (s, ascending) when each is served for `service` s, first come first served."""
    free, latencies = -math.inf, []
    for arrival in arrivals:
        free = max(free, arrival) + service
        latencies.append(free - arrival)
    return latencies


def share_waiting_at_most(wait: float, load: float) -> float:
    """Share of requests that wait for at most `wait` service times before their own starts (Erlang's formula)."""
    terms = (_term(load * (number - wait), number) for number in range(math.floor(wait) + 1))
    return (1 - load) * math.fsum(terms)


def latency_quantile(quantile: float, load: float, service: float) -> float:
    """That quantile of the latency (s), waiting and service; ValueError where the sum has too few digits."""
    if not 0 < load <= HIGHEST_LOAD or not 0 < quantile <= HIGHEST_QUANTILE:
        raise ValueError(
            f"loads up to {HIGHEST_LOAD} and quantiles up to {HIGHEST_QUANTILE}, got {load} and {quantile}"
        )
    low, high = 0.0, 1.0
    while share_waiting_at_most(high, load) < quantile:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if share_waiting_at_most(middle, load) < quantile else (low, middle)
    return (1 + high) * service


def _term(exponent: float, number: int) -> float:
    return exponent**number / math.factorial(number) * math.exp(-exponent)
