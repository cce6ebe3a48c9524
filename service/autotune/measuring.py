"""Measuring a plan within a time limit. The clock and the engine come from outside.

One pair length after the other, and at each of them rounds that take turns through all candidates: machines are
noisy, and a length measured thrice decides better than three measured once. A sample is about the same work at
every size, or short runs would slip through between two disturbances. A bucket's figure is the least of its samples,
because what disturbs a machine only ever adds time.

Nothing is started that would not be over in time if a micro-batch took a constant and some time per token.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Protocol

from service.autotune.choice import Figures, Verdict, choose, contenders
from service.autotune.plan import TYPICAL_LENGTH, Plan
from service.autotune.tuning import BucketSpeed, Layout
from service.errors import BackendError

logger = logging.getLogger(__name__)

ROUNDS = 3
SAMPLE_TOKENS = 512
"""Tokens that a session works through for one sample, or one micro-batch where that is more."""
UNKNOWN_NOISE = 0.25
"""Assumed where time allowed no repetition."""
OPENING_SHARE = 0.5
"""Part of the time that opening layouts may take; the rest is for measuring them."""


class Rig(Protocol):
    """An engine of one layout, opened to be measured. A run that fails raises BackendError."""

    def busy(self, pairs: int, length: int, times: int) -> float:
        """Mean seconds of a micro-batch of `pairs` pairs of `length` tokens; every session runs `times` of them."""

    def alone(self, length: int) -> float:
        """Seconds that one pair of `length` tokens takes while nothing else runs."""

    def close(self) -> None:
        """Give its memory back."""


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """`deadline` is in the clock's seconds."""

    clock: Callable[[], float]
    deadline: float

    def has(self, seconds: float) -> bool:
        """Whether something that takes `seconds` would be over in time."""
        return self.clock() + seconds <= self.deadline


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out: `verdict` is None if there was no time to measure anything."""

    verdict: Verdict | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class _Size:
    layout: Layout
    pairs: int
    length: int

    @property
    def tokens(self) -> int:
        return self.pairs * self.length

    @property
    def times(self) -> int:
        return -(-SAMPLE_TOKENS // self.tokens)


def measure(plan: Plan, open_rig: Callable[[Layout], Rig], seconds: float, clock: Callable[[], float]) -> Measured:
    """Measure `plan` for at most `seconds`; only the first layout is opened however long that takes.

    BackendError if a layout cannot be opened.
    """
    bench = _Bench(plan, TimeLimit(clock, clock() + seconds))
    try:
        bench.open(open_rig, TimeLimit(clock, clock() + seconds * OPENING_SHARE))
        bench.measure()
        return bench.result()
    finally:
        bench.close()


class _Bench:
    """The opened rigs and the samples taken so far, all in seconds."""

    def __init__(self, plan: Plan, limit: TimeLimit) -> None:
        self._plan = plan
        self._limit = limit
        self._rigs: dict[Layout, Rig] = {}
        self._opening = 0.0
        self._finished: list[int] = []
        self._busy: dict[_Size, list[float]] = defaultdict(list)
        self._alone: dict[Layout, list[float]] = defaultdict(list)
        self._slowest: dict[_Size, float] = {}

    def open(self, open_rig: Callable[[Layout], Rig], limit: TimeLimit) -> None:
        """Open the first layout, and of the others as many as there is time for."""
        for layout in self._plan.layouts:
            if self._rigs and not limit.has(self._opening):
                break
            started = limit.clock()
            self._rigs[layout] = open_rig(layout)
            self._opening = max(self._opening, limit.clock() - started)

    def measure(self) -> None:
        """Take the rounds of one length after the other, until time is over."""
        for length in self._plan.lengths:
            if all(self._round(length) for _ in range(ROUNDS)):
                self._finished.append(length)
            self._plan = replace(self._plan, candidates=contenders(self._plan, self._figures()))

    def result(self) -> Measured:
        """What is known so far. A length that lacks rounds decides only where it is all there is."""
        plan = replace(self._plan, lengths=tuple(self._finished) or self._plan.lengths[:1])
        figures = self._figures()
        return Measured(choose(plan, figures), figures)

    def close(self) -> None:
        """Close every rig."""
        for rig in self._rigs.values():
            rig.close()

    def _round(self, length: int) -> bool:
        """Measure every candidate once; returns whether there was time for all."""
        layouts = [layout for layout in self._plan.layouts if layout in self._rigs]
        sizes = dict.fromkeys(_Size(c.layout, c.pairs(length), length) for c in self._plan.candidates)
        opened = [size for size in sizes if size.layout in self._rigs]
        return all([*map(self._measure_alone, layouts), *map(self._measure_busy, opened)])

    def _measure_alone(self, layout: Layout) -> bool:
        length = min(TYPICAL_LENGTH, max(self._plan.lengths))
        if not self._limit.has(self._expected(layout, times=1, tokens=length)):
            return False
        self._alone[layout].append(self._rigs[layout].alone(length))
        return True

    def _measure_busy(self, size: _Size) -> bool:
        if not self._limit.has(self._expected(size.layout, size.times, size.times * size.tokens)):
            return False
        started = self._limit.clock()
        try:
            self._busy[size].append(self._rigs[size.layout].busy(size.pairs, size.length, size.times))
        except BackendError as error:
            self._exclude(size, error)
        self._slowest[size] = max(self._slowest.get(size, 0.0), self._limit.clock() - started)
        return True

    def _exclude(self, size: _Size, error: BackendError) -> None:
        fields = {**size.layout._asdict(), "pairs": size.pairs, "length": size.length, "error": str(error)}
        logger.warning("a micro-batch of this size fails, it is out", extra={"fields": fields})
        kept = (c for c in self._plan.candidates if _Size(c.layout, c.pairs(size.length), size.length) != size)
        self._plan = replace(self._plan, candidates=tuple(kept))

    def _expected(self, layout: Layout, times: int, tokens: int) -> float:
        """Most seconds that so many runs of so many tokens together should take, by what the layout has shown.

        Opening it was longer than one run of the default micro-batch, which is what is measured first.
        """
        seen = [(size, seconds) for size, seconds in self._slowest.items() if size.layout == layout]
        bounds = [seconds * max(times / size.times, tokens / (size.times * size.tokens)) for size, seconds in seen]
        return min(bounds, default=self._opening * times)

    def _figures(self) -> Figures:
        single_pair = {layout: min(samples) for layout, samples in self._alone.items()}
        table = tuple(_bucket(size, min(samples)) for size, samples in self._busy.items() if samples)
        # Of each size the median, for its first run is slow on any machine; over sizes the mean, for where
        # work of others disturbs, the few that it hits most are those that mislead.
        spreads = [median(samples) / min(samples) - 1 for samples in self._busy.values() if len(samples) > 1]
        return Figures(table, single_pair, fmean(spreads) if spreads else UNKNOWN_NOISE)


def _bucket(size: _Size, seconds: float) -> BucketSpeed:
    ns_per_token = seconds * 1e9 / (size.tokens * size.layout.sessions)
    return BucketSpeed(**size.layout._asdict(), pairs=size.pairs, length=size.length, ns_per_token=ns_per_token)
