"""What a measurement gives, and how it is summed up: pairs per second, quantiles of latencies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class Measured:
    """Pairs scored, the time that it took (s), and the latency of each request (s)."""

    pairs: int
    seconds: float
    latencies: list[float] = field(repr=False)

    @property
    def pairs_per_second(self) -> float:
        """Throughput."""
        return self.pairs / self.seconds

    def answered_quantile_ms(self, quantile: float) -> float:
        """As `quantile_ms` of the latencies; RuntimeError where there is none."""
        value = quantile_ms(self.latencies, quantile)
        if value is None:
            raise RuntimeError("a round ended before its first answer; raise --seconds")
        return value


def quantile_ms(latencies: Sequence[float], quantile: float) -> float | None:
    """That quantile of seconds in milliseconds; None where there is none, or where no reply came (infinity)."""
    if not latencies:
        return None
    # `higher` never interpolates between an answer and infinity, and never flatters a tail.
    value = 1000 * float(np.quantile(np.asarray(latencies), quantile, method="higher"))
    return round(value, 2) if math.isfinite(value) else None


def median(values: Sequence[float]) -> float:
    """The median to four significant digits, which is more than any machine repeats."""
    return significant(float(np.median(values)))


def significant(value: float) -> float:
    """`value` to four significant digits."""
    return float(f"{value:.4g}")


def median_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Median over the rounds of the one over the other: rounds share the machine's mood, totals do not."""
    return round(float(np.median(np.asarray(numerators) / np.asarray(denominators))), 3)
