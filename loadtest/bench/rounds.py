"""Rounds take turns, and the first of a round is another one each time: nobody has the quiet minutes alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def interleaved(ways: Mapping[str, Callable[[], T]], rounds: int) -> dict[str, list[T]]:
    """Call every way once a round; returns each one's outcomes in order of the rounds."""
    names = list(ways)
    outcomes: dict[str, list[T]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % max(1, len(names))
        for name in names[first:] + names[:first]:
            outcomes[name].append(ways[name]())
    return outcomes
