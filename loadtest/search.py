"""The highest rate at which something holds, by doubling and halving and then by bisection. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bounds:
    """The highest rate that held and the lowest above it that did not; None: none was found."""

    held: float | None = None
    failed: float | None = None

    def next_rate(self, start: float) -> float:
        """What to try next; the middle of two bounds is the geometric one, for rates are compared by ratios."""
        if self.held is not None and self.failed is not None:
            return math.sqrt(self.held * self.failed)
        if self.held is not None:
            return 2 * self.held
        return start if self.failed is None else self.failed / 2

    def within(self, precision: float) -> bool:
        """Whether the bounds are so near that the higher is at most 1 + `precision` times the lower."""
        return self.held is not None and self.failed is not None and self.failed <= (1 + precision) * self.held


def search(holds: Callable[[float], bool], start: float, precision: float, most: int) -> Bounds:
    """Try at most so many rates, from `start` on, until the bounds are within the precision.

    A rate that holds above one that failed would be luck: nothing above a failure is tried.
    """
    bounds = Bounds()
    for _ in range(most):
        rate = bounds.next_rate(start)
        bounds = Bounds(rate, bounds.failed) if holds(rate) else Bounds(bounds.held, rate)
        if bounds.within(precision):
            break
    return bounds


def replicas(target_rate: float, rate: float, headroom: float) -> int:
    """How many services of that rate carry the target while each keeps a share `headroom` of its rate free."""
    # A product of floats may lie just above the whole number that it is.
    return max(1, math.ceil(target_rate / (rate * (1 - headroom)) - 1e-9))
