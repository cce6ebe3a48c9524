"""One request on its way through the engine: its pairs, what is known of them, and when it was known."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.backend import Logits
from service.entry import Entry
from service.pair import Pair
from service.source import Source


@dataclass(slots=True, eq=False, kw_only=True)
class Job(Entry):
    """One request's pairs. Times are in the batcher's clock, in seconds."""

    pairs: Sequence[Pair]
    unknown: Collection[int] = ()
    """Indexes of the pairs that are a MissingProduct: they are never scored."""
    logits: Logits = field(init=False)
    """NaN where not scored."""
    scored: int = field(default=0, init=False)
    reused: dict[int, Source] = field(default_factory=dict, init=False)
    """Pair index → where its logit came from, of those that the model did not compute for this request."""
    submitted: float = field(default=0.0, init=False)
    started: float | None = field(default=None, init=False)
    """When its first micro-batch started; None until then."""
    finished: float = field(default=0.0, init=False)
    """When its last micro-batch finished, or its deadline passed."""
    done: asyncio.Future[None] = field(init=False)
    truncated: int = field(init=False)
    """Pairs of which tokens were cut."""

    def __post_init__(self) -> None:
        self.truncated = sum(1 for pair in self.pairs if pair.cut)

    def submit(self, now: float, done: asyncio.Future[None]) -> None:
        """Begin: nothing is scored yet. `done` resolves when all is, or when no more will be."""
        self.logits = np.full(len(self.pairs), np.nan, dtype=np.float32)
        self.submitted = self.finished = now
        self.done = done
        if not self.wanted:
            done.set_result(None)

    @property
    def wanted(self) -> int:
        """Pairs that can be scored."""
        return len(self.pairs) - len(self.unknown)

    def record(self, logits: Mapping[int, float], reused: Mapping[int, Source]) -> None:
        """Note the logits of pairs that had none, by their indexes; resolves `done` with the last one.

        `reused`: where those came from that the model did not compute for this request.
        """
        self.logits[list(logits)] = list(logits.values())
        self.scored += len(logits)
        self.reused.update(reused)
        if self.scored == self.wanted:
            self.done.set_result(None)

    def ran(self, started: float, finished: float) -> None:
        """Note when a micro-batch that scored some of its pairs ran; it may have started before this job came."""
        started = max(started, self.submitted)
        self.started = started if self.started is None else min(self.started, started)
        self.finished = max(self.finished, finished)

    def source(self, row: int) -> Source | None:
        """Where the pair's logit came from; None if it has none."""
        return None if np.isnan(self.logits[row]) else self.reused.get(row, Source.MODEL)
