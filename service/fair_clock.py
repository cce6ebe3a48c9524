"""Virtual time: when each entry would be done if all waiting entries shared the engine equally.

Weighted fair queueing with equal weights. Serving entries in the order of these finish times gives
each of them its result no later than true equal sharing would, plus one batch, yet does not interleave
equals: a small entry overtakes a big one, and two big ones run one after the other.
"""

from __future__ import annotations

from bisect import insort

MAX_SHARERS = 8
"""A share never counts as less than an eighth. So time never stands still under a flood of small
entries: an entry is overtaken by at most eight times its own tokens, and nobody starves."""


class FairClock:
    """Unit: tokens served to each entry that is still due in the ideal equal sharing."""

    def __init__(self) -> None:
        self._now = 0.0
        self._finishes: list[float] = []

    def enter(self, tokens: int) -> float:
        """Virtual finish time of an entry of `tokens` that comes in now."""
        finish = self._now + tokens
        insort(self._finishes, finish)
        return finish

    def serve(self, tokens: float) -> None:
        """Tell that the engine has taken `tokens` of work, of whichever entries."""
        while tokens > 0 and self._finishes:
            sharers = min(len(self._finishes), MAX_SHARERS)
            until_next_finish = (self._finishes[0] - self._now) * sharers
            if until_next_finish > tokens:
                self._now += tokens / sharers
                return
            tokens -= until_next_finish
            self._now = self._finishes.pop(0)

    def leave(self, finish: float) -> None:
        """Tell that the entry with this finish time was dropped, so it takes no more share."""
        if finish in self._finishes:
            self._finishes.remove(finish)
