"""How fast the engine works its queue off, learnt from the micro-batches that it ran."""

from __future__ import annotations

from service.backend import BatchRun
from service.batch_queue import DropReason
from service.job import Source

SMOOTHING = 0.05
"""Weight of the newest micro-batch: the last 20 or so count."""


class EngineSpeed:
    """A running mean over micro-batches, times those that run at a time."""

    def __init__(self, concurrency: int, tokens_per_second: float) -> None:
        """`tokens_per_second` is a first guess for one of the `concurrency` micro-batches that run at a time."""
        self._concurrency = concurrency
        self._tokens_per_second = tokens_per_second

    @property
    def tokens_per_second(self) -> float:
        """Of all sessions together."""
        return self._tokens_per_second * self._concurrency

    def batch_done(self, run: BatchRun) -> None:
        """Learn from a micro-batch."""
        if run.seconds > 0:
            self._tokens_per_second += SMOOTHING * (run.tokens / run.seconds - self._tokens_per_second)

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Dropped work says nothing about speed."""

    def pairs_reused(self, source: Source, pairs: int) -> None:
        """Nor does work that was not done."""
