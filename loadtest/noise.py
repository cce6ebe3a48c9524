"""Whether two runs differ by more than chance: a bootstrap over slices of time. Pure.

Requests that follow each other share a queue and are no independent draws; slices of a second or more nearly are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadtest.outcomes import Stages
from loadtest.report.record import Slice, StageMs

LEAST_SLICES = 8
"""With fewer, resampling knows too little of how much a run varies."""
ROUNDS = 1000
CONFIDENCE = 0.95

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """One slice: the latencies of its requests (ms; infinite: no answer), and how many failed or were degraded.

    `stages_ms` are means over its answers, if the service tells them.
    """

    latencies_ms: Array
    errors: int
    degraded: int
    stages_ms: StageMs


Parts = Sequence[Part]
Statistic = Callable[[Parts], float]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of two runs (infinite: no answer; NaN: not told), and where chance leaves their difference.

    Without an interval nothing can be said about chance.
    """

    before: float
    after: float
    interval: tuple[float, float] | None

    @property
    def outside_noise(self) -> bool:
        """Whether the interval does not hold 0."""
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


def parts_of(slices: Sequence[Slice]) -> list[Part]:
    """The slices as they are resampled."""
    return [
        Part(
            np.array([math.inf if ms is None else ms for ms in one.latencies_ms], dtype=np.float64),
            one.errors,
            one.degraded,
            one.stages_ms,
        )
        for one in slices
    ]


def statistics() -> dict[str, Statistic]:
    """What is compared, by the name that it has among a record's figures; of the stages, their means."""
    return {
        "p50_ms": _quantile(0.5),
        "p95_ms": _quantile(0.95),
        "p99_ms": _quantile(0.99),
        "error_rate": lambda parts: _ratio(sum(one.errors for one in parts), _requests(parts)),
        "degraded_share": lambda parts: _ratio(sum(one.degraded for one in parts), _answers(parts)),
        **{f"{stage}_mean_ms": _stage_mean(stage) for stage in Stages._fields},
    }


def difference(statistic: Statistic, before: Parts, after: Parts, seed: int = 0) -> Difference:
    """The statistic of both, and the interval of what resampled parts give for after minus before."""
    measured = statistic(before), statistic(after)
    if min(len(before), len(after)) < LEAST_SLICES:
        return Difference(*measured, None)
    rng = np.random.default_rng(seed)
    drawn = np.array([statistic(_resampled(after, rng)) for _ in range(ROUNDS)])
    # Of two that got no answer, the difference is not known.
    with np.errstate(invalid="ignore"):
        differences = drawn - np.array([statistic(_resampled(before, rng)) for _ in range(ROUNDS)])
    return Difference(*measured, _interval(differences))


def _interval(differences: Array) -> tuple[float, float] | None:
    if np.isnan(differences).any():
        return None
    tail = (1 - CONFIDENCE) / 2
    # `lower` and `higher` take values that came up, and never a mean with infinity.
    low = float(np.quantile(differences, tail, method="lower"))
    high = float(np.quantile(differences, 1 - tail, method="higher"))
    return low, high


def _resampled(parts: Parts, rng: np.random.Generator) -> Parts:
    return [parts[index] for index in rng.integers(len(parts), size=len(parts))]


def _quantile(quantile: float) -> Statistic:
    def statistic(parts: Parts) -> float:
        # As `measured.quantile_ms` takes it.
        latencies = np.concatenate([one.latencies_ms for one in parts])
        return round(float(np.quantile(latencies, quantile, method="higher")), 2)

    return statistic


def _stage_mean(stage: str) -> Statistic:
    def statistic(parts: Parts) -> float:
        told = [one for one in parts if stage in one.stages_ms]
        total = math.fsum(one.stages_ms[stage] * _answers([one]) for one in told)
        return total / _answers(told) if told else math.nan

    return statistic


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _requests(parts: Parts) -> int:
    return sum(len(one.latencies_ms) for one in parts)


def _answers(parts: Parts) -> int:
    return _requests(parts) - sum(one.errors for one in parts)
