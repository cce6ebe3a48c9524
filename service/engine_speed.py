"""How fast the engine works its queue off, learnt from the micro-batches that it ran."""

from __future__ import annotations

from service.backend import BatchRun
from service.decaying_ratio import DecayingRatio
from service.entry import DropReason
from service.source import Source

MEMORY_SECONDS = 2.0
"""Time of micro-batches over which the mean is taken; older ones count ever less."""


class EngineSpeed:
    """Tokens over seconds of the latest micro-batches, times those that run at a time.

    By their time: what a batch costs beside its tokens makes small ones slow, which says little of large ones.
    """

    def __init__(self, concurrency: int, tokens_per_second: float) -> None:
        """`tokens_per_second` is a first guess for one of the `concurrency` micro-batches computed at a time."""
        self._concurrency = concurrency
        self._of_one = DecayingRatio(tokens_per_second, MEMORY_SECONDS)

    @property
    def tokens_per_second(self) -> float:
        """Of all sessions together."""
        return self._of_one.value * self._concurrency

    def batch_done(self, run: BatchRun) -> None:
        """Learn from a micro-batch, unless it had more cores than one of several has."""
        if not run.lone:
            self._of_one.add(run.tokens, run.seconds)

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Dropped work says nothing about speed."""

    def pairs_reused(self, source: Source, pairs: int) -> None:
        """Nor does work that was not done."""
