"""The one loop: takes micro-batches from the queue, has the backend run them, and answers each job.

A batch is cut the moment the engine can take one: `concurrency` run and one waits ahead of them. So an
idle server starts at once, and while all are busy work gathers and batches get full. Nothing sleeps.

Every job's future is resolved on every path: all pairs scored; deadline (what is scored by then
counts); a failing batch (its shares are run again one by one, and only those that fail again fail);
the client gone; the device's loss, the loop's death or `stop` (all jobs fail, and new ones are refused). A pair
that was left to somebody else's computation is queued again when that one fails.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from service.backend import Backend, BatchRun
from service.batch_queue import BatchQueue, Share
from service.entry import DropReason
from service.errors import (
    DeviceLostError,
    DrainingError,
    EngineDeadError,
    GpuLostError,
    InferenceError,
    ServiceError,
)
from service.job import Job
from service.pair_reuse import PairReuse
from service.source import Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A job's part of a micro-batch. `keys[i]` is the key of its pair `rows[i]`."""

    job: Job
    rows: Sequence[int]
    keys: Sequence[bytes]


class BatchObserver(Protocol):
    """Who wants to know what the loop did."""

    def batch_done(self, run: BatchRun) -> None:
        """A micro-batch ran."""

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Pairs were thrown away unscored."""

    def pairs_reused(self, source: Source, pairs: int) -> None:
        """Pairs got their logit without a computation of their own."""


class Batcher:
    """Scores jobs. `start` and `score` belong to one event loop."""

    def __init__(
        self,
        backend: Backend,
        queue: BatchQueue[Job],
        reuse: PairReuse,
        observers: Sequence[BatchObserver] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._queue = queue
        self._reuse = reuse
        self._observers = observers
        self._clock = clock
        self._jobs: set[Job] = set()
        self._pushed = asyncio.Event()
        self._slots = asyncio.Semaphore(backend.concurrency + 1)
        self._loop: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._running_tokens = 0
        self._refusal: ServiceError | None = None

    @property
    def alive(self) -> bool:
        """Whether jobs are taken and served."""
        return self._loop is not None and self._refusal is None

    @property
    def trouble(self) -> str:
        """Why it is not alive, for the probes."""
        return self._refusal.detail if isinstance(self._refusal, GpuLostError) else "The scoring engine does not run."

    def tokens_ahead(self, priority: int) -> int:
        """Tokens of submitted work at least as urgent as `priority`, and of what runs already."""
        return self._running_tokens + self._queue.tokens_ahead(priority)

    def start(self) -> None:
        """Start the loop."""
        self._loop = asyncio.create_task(self._run(), name="batcher")
        self._loop.add_done_callback(self._loop_ended)

    async def stop(self) -> None:
        """Refuse new jobs, fail waiting ones, end the loop. Running batches end in the backend."""
        self._refuse_all(DrainingError("The service stopped before this request was scored."))
        tasks = [*self._batches, *([self._loop] if self._loop else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def score(self, jobs: Sequence[Job]) -> None:
        """Score all jobs, or until their deadlines; raises the first failure.

        Cancel it when the client has gone: what still waits is then dropped.
        """
        entered = []
        reason = DropReason.FAILED
        try:
            for job in jobs:
                self._submit(job)
                entered.append(job)
            # To gather one costs more than to wait for it.
            await (jobs[0].done if len(jobs) == 1 else asyncio.gather(*[job.done for job in jobs]))
        except asyncio.CancelledError:
            reason = DropReason.DISCONNECTED
            raise
        finally:
            for job in entered:
                self._jobs.discard(job)
                self._reuse.leave(job)
                job.dead = job.dead or reason

    def _submit(self, job: Job) -> None:
        if self._refusal is not None:
            raise self._refusal
        loop = asyncio.get_running_loop()
        job.submit(self._clock(), loop.create_future())
        self._jobs.add(job)
        waiting = self._reuse.enter(job)
        self._reused(Source.SCORE_CACHE, job.wanted - len(waiting))
        if not waiting:
            return
        self._queue.push(job, waiting, idle=not self._running_tokens and not self._backend.stuck)
        self._pushed.set()
        if job.deadline != float("inf"):
            timer = loop.call_later(max(0.0, job.deadline - job.submitted), self._expire, job)
            job.done.add_done_callback(lambda _: timer.cancel())

    async def _run(self) -> None:
        while True:
            await self._slots.acquire()
            parts = await self._next_batch()
            tokens = sum(part.job.lengths[row] for part in parts for row in part.rows)
            self._running_tokens += tokens
            task = asyncio.create_task(self._run_batch(parts, tokens, alone=not self._queue.pairs))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _next_batch(self) -> list[Part]:
        while True:
            self._drop_dead()
            if shares := self._queue.next_batch(self._reuse.claim):
                return [self._part(share) for share in shares]
            self._pushed.clear()
            await self._pushed.wait()

    def _part(self, share: Share[Job]) -> Part:
        return Part(share.entry, share.rows, self._reuse.keys_of(share.entry, share.rows))

    def _drop_dead(self) -> None:
        for dropped in self._queue.drop_dead(self._clock()):
            job = dropped.entry
            # What others computed in the meantime was not thrown away.
            if unscored := min(dropped.pairs, job.wanted - job.scored):
                for observer in self._observers:
                    observer.work_dropped(dropped.reason, unscored)
            if dropped.reason is DropReason.DEADLINE:
                self._expire(job)

    async def _run_batch(self, parts: Sequence[Part], tokens: int, alone: bool) -> None:
        try:
            await self._infer_or_retry(parts, alone)
        except DeviceLostError as error:
            self._lose_device(error)
        finally:
            self._running_tokens -= tokens
            self._slots.release()

    async def _infer_or_retry(self, parts: Sequence[Part], alone: bool) -> None:
        try:
            await self._infer(parts, alone)
        except DeviceLostError:
            raise
        except Exception as error:
            await self._retry(parts, error)

    async def _retry(self, parts: Sequence[Part], error: Exception) -> None:
        """Run each part alone, so that a poisoned pair fails the request it came with and no other."""
        if len(parts) == 1:
            self._fail(parts[0], error)
            return
        logger.warning("batch failed, running its shares alone", extra={"fields": {"error": repr(error)}})
        for part in parts:
            if part.job.dead is not None:
                self._queue_again(part)
                continue
            try:
                await self._infer([part])
            except DeviceLostError:
                raise
            except Exception as part_error:
                self._fail(part, part_error)

    async def _infer(self, parts: Sequence[Part], alone: bool = False) -> None:
        pairs = [part.job.pairs[row] for part in parts for row in part.rows]
        run = await self._backend.run(pairs, alone)
        if run.logits.shape != (len(pairs),):
            raise ValueError(f"{len(pairs)} pairs gave logits of shape {run.logits.shape}. This is a bug.")
        if not np.isfinite(run.logits).all():
            raise ValueError("the model gave a logit that is no finite number")
        for observer in self._observers:
            observer.batch_done(run)
        self._deliver(parts, run)

    def _deliver(self, parts: Sequence[Part], run: BatchRun) -> None:
        logits: list[float] = run.logits.tolist()
        start = shared = 0
        for part in parts:
            stop = start + len(part.rows)
            for job, found in self._reuse.computed(part.keys, logits[start:stop]).items():
                # An answer that came too late is not added to: its receiver may be reading it.
                if job.done.done():
                    continue
                others = found.keys() - part.rows if job is part.job else found.keys()
                job.ran(run.started, run.finished)
                job.record(found, dict.fromkeys(others, Source.IDENTICAL_PAIR))
                shared += len(others)
            start = stop
        self._reused(Source.IDENTICAL_PAIR, shared)

    def _reused(self, source: Source, pairs: int) -> None:
        if pairs:
            for observer in self._observers:
                observer.pairs_reused(source, pairs)

    def _expire(self, job: Job) -> None:
        if not job.done.done():
            job.dead = DropReason.DEADLINE
            job.finished = self._clock()
            job.done.set_result(None)

    def _fail(self, part: Part, error: Exception) -> None:
        logger.error("inference failed", exc_info=error)
        if not part.job.done.done():
            part.job.dead = DropReason.FAILED
            part.job.done.set_exception(InferenceError("The model failed on a pair of this request."))
        self._queue_again(part)

    def _queue_again(self, part: Part) -> None:
        """Queue the pairs that others left to this part, which did not compute them."""
        for job, rows in self._reuse.given_up(part.keys).items():
            if not job.done.done():
                self._queue.push(job, rows)
                self._pushed.set()

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if self._refusal is None:
            cause = None if task.cancelled() else task.exception()
            logger.critical("the batching loop has ended. This is a bug.", exc_info=cause)
            self._refuse_all(EngineDeadError("The scoring engine has stopped; this replica needs a restart."))

    def _lose_device(self, error: DeviceLostError) -> None:
        if self._refusal is None:
            logger.critical("the GPU is lost, this replica needs a restart", extra={"fields": {"error": str(error)}})
        self._refuse_all(GpuLostError("The GPU does not answer any more; this replica needs a restart."))

    def _refuse_all(self, refusal: ServiceError) -> None:
        self._refusal = self._refusal or refusal
        for job in self._jobs:
            if not job.done.done():
                job.dead = DropReason.STOPPED
                job.done.set_exception(refusal)
