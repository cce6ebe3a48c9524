"""Popularity by Zipf's law: the k-th most popular of N things is asked for in proportion to 1 / k to the power s."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Zipf:
    """Draws ranks from 0 (the most popular) below `count`; an exponent of 0 makes all equal.

    A count below 1 or an exponent below 0 is a ValueError.
    """

    def __init__(self, count: int, exponent: float) -> None:
        if count < 1 or exponent < 0:
            raise ValueError(f"popularity needs a count of 1 and an exponent of 0 or more, got {count} and {exponent}")
        weights = np.arange(1, count + 1, dtype=np.float64) ** -exponent
        self._below = np.cumsum(weights / weights.sum())
        self._below[-1] = 1.0

    def draw(self, rng: np.random.Generator, size: int) -> npt.NDArray[np.int64]:
        """`size` ranks, each by itself."""
        return np.searchsorted(self._below, rng.random(size), side="right")

    def draw_distinct(self, rng: np.random.Generator, size: int) -> list[int]:
        """`size` different ranks in the order in which they came up; more than a quarter of all is a ValueError."""
        if 4 * size > len(self._below):
            # Beyond that, the rare ranks take very long to come up.
            raise ValueError(f"{size} different ones of {len(self._below)}: at most a quarter can be asked for")
        ranks: dict[int, None] = {}
        while len(ranks) < size:
            ranks.update(dict.fromkeys(self.draw(rng, 2 * size).tolist()))
        return list(ranks)[:size]
