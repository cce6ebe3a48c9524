"""The rows of every closed load: pairs per second, Aisle's ratio to each, latencies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtest.bench.result import Row
from loadtest.measured import Measured, median, median_ratio, quantile_ms
from loadtest.systems import AISLE

Rounds = Mapping[str, Sequence[Measured]]
"""What was measured of each system, round by round."""


def speeds_of(rounds: Rounds) -> dict[str, list[float]]:
    """Pairs per second of each round."""
    return {name: [round(measured.pairs_per_second, 1) for measured in own] for name, own in rounds.items()}


def closed_rows(rounds: Rounds) -> dict[str, Row]:
    """Medians over the rounds, and quantiles (ms) of the latencies of all rounds together.

    A latency of the raw graph is that of one run, which is a whole request only where nothing is batched.
    """
    speeds = speeds_of(rounds)
    latencies = {name: [one for measured in own for one in measured.latencies] for name, own in rounds.items()}
    return {
        "pairs_per_s": {name: median(own) for name, own in speeds.items()},
        "aisle_to_this": {name: median_ratio(speeds[AISLE], own) for name, own in speeds.items() if name != AISLE},
        "p50_ms": {name: quantile_ms(own, 0.5) for name, own in latencies.items()},
        "p99_ms": {name: quantile_ms(own, 0.99) for name, own in latencies.items()},
    }
