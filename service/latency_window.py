"""Quantiles of the last minute: six sketches of ten seconds each, merged when asked. The clock is passed in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence

from ddsketch import DDSketch

RELATIVE_ACCURACY = 0.01


class LatencyWindow:
    """Keeps `slots` sketches of `slot_seconds`; what is older than all of them is forgotten."""

    def __init__(self, clock: Callable[[], float], slots: int = 6, slot_seconds: float = 10.0) -> None:
        self._clock = clock
        self._slots = slots
        self._slot_seconds = slot_seconds
        self._sketches: deque[tuple[int, DDSketch]] = deque()

    def add(self, seconds: float) -> None:
        """Count one duration."""
        slot = self._forget_old()
        if not self._sketches or self._sketches[-1][0] != slot:
            self._sketches.append((slot, DDSketch(RELATIVE_ACCURACY)))
        self._sketches[-1][1].add(seconds)

    def quantiles(self, which: Sequence[float]) -> list[float]:
        """Quantiles in seconds, each within 1 %; NaN where the window is empty."""
        self._forget_old()
        merged = DDSketch(RELATIVE_ACCURACY)
        for _, sketch in self._sketches:
            merged.merge(sketch)
        found = [merged.get_quantile_value(quantile) for quantile in which]
        return [math.nan if value is None else value for value in found]

    def _forget_old(self) -> int:
        slot = int(self._clock() // self._slot_seconds)
        while self._sketches and self._sketches[0][0] <= slot - self._slots:
            self._sketches.popleft()
        return slot
