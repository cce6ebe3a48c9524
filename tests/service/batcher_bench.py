"""A batcher with everything around it made of test parts, for the tests of `service.batcher`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import numpy as np

from relevance.pair_encoding import EncodedPair
from service.backend import BatchRun
from service.batch_queue import BatchLimits, BatchQueue
from service.batcher import Batcher
from service.caches import ScoreCache
from service.entry import DropReason
from service.job import Job
from service.pair_reuse import CrossPairKeys, PairReuse
from service.source import Source

POISON, NAN = 666, 777


def pair(value: int, length: int = 4) -> EncodedPair:
    return EncodedPair((value,) * length, (0,) * length)


def job(*values: int, deadline: float | None = None, priority: int = 0) -> Job:
    pairs = [pair(value) for value in values]
    lengths = [len(p) for p in pairs]
    if deadline is None:
        return Job(pairs=pairs, lengths=lengths, priority=priority)
    return Job(pairs=pairs, lengths=lengths, order=range(len(pairs)), deadline=deadline)


LIMITS = BatchLimits(tokens=16)


class FakeBackend:
    """The logit of a pair is its first id. While `gate` is closed, batches wait."""

    stuck = 0

    def __init__(self, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self.batches: list[list[int]] = []
        self.alone: list[bool] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.called = asyncio.Event()

    async def run(self, pairs: Sequence[EncodedPair], alone: bool = False) -> BatchRun:
        values = [p.ids[0] for p in pairs]
        self.batches.append(values)
        self.alone.append(alone)
        self.called.set()
        await self.gate.wait()
        if POISON in values:
            raise RuntimeError("poisoned")
        logits = np.array([np.nan if value == NAN else value for value in values], dtype=np.float32)
        return BatchRun(logits, 1.0, 2.0, sum(map(len, pairs)), sum(map(len, pairs)))

    def close(self) -> None: ...


class Observer:
    def __init__(self) -> None:
        self.runs: list[BatchRun] = []
        self.dropped: list[tuple[DropReason, int]] = []
        self.reused: list[tuple[Source, int]] = []

    def batch_done(self, run: BatchRun) -> None:
        self.runs.append(run)

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        self.dropped.append((reason, pairs))

    def pairs_reused(self, source: Source, pairs: int) -> None:
        self.reused.append((source, pairs))


class Bench:
    """A batcher with everything around it made of test parts; four pairs of `pair` fit a micro-batch of `LIMITS`."""

    def __init__(self, cached: bool = False, limits: BatchLimits = LIMITS) -> None:
        self.backend = FakeBackend()
        self.observer = Observer()
        self.now = 0.0
        self.queue: BatchQueue[Job] = BatchQueue(limits)
        self.cache = ScoreCache(max_bytes=4000, ttl_seconds=60.0, clock=lambda: self.now)
        reuse = PairReuse(CrossPairKeys("1"), self.cache if cached else None)
        self.batcher = Batcher(self.backend, self.queue, reuse, [self.observer], lambda: self.now)
        self.batcher.start()


def scenario(run: Callable[[Bench], Awaitable[None]], cached: bool = False, limits: BatchLimits = LIMITS) -> None:
    async def main() -> None:
        bench = Bench(cached, limits)
        async with asyncio.timeout(10):
            await run(bench)
            await bench.batcher.stop()

    asyncio.run(main())
