"""The ratio of two sums over the latest of what was seen."""

from __future__ import annotations


class DecayingRatio:
    """Numerators over denominators, of which the latest `memory` (in units of the denominator) count most.

    Weighted by the denominators: what is small says little, however often it comes.
    """

    def __init__(self, first: float, memory: float) -> None:
        """`first` is the ratio before anything was seen, and weighs like `memory`."""
        self._memory = memory
        self._numerators, self._denominators = first * memory, memory

    @property
    def value(self) -> float:
        """The ratio now."""
        return self._numerators / self._denominators

    def add(self, numerator: float, denominator: float) -> None:
        """Something was seen; a denominator of 0 says nothing."""
        if denominator > 0:
            kept = self._memory / (self._memory + denominator)
            self._numerators = kept * (self._numerators + numerator)
            self._denominators = kept * (self._denominators + denominator)
