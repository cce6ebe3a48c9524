"""The one loop: takes micro-batches from the queue, has the backend run them, and answers each job.

A batch is cut the moment the engine can take one: `concurrency` run and one waits ahead of them. So an
idle server starts at once, and while all are busy work gathers and batches get full. Nothing sleeps.

Every job's future is resolved on every path: all pairs scored; deadline (what is scored by then
counts); a failing batch (its shares are run again one by one, and only those that fail again fail);
the client gone; the loop's death or `stop` (all jobs fail, and new ones are refused).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from relevance.pair_encoding import EncodedPair
from service.backend import Backend, BatchRun, Logits
from service.batch_queue import BatchQueue, DropReason, Entry, Share
from service.errors import DrainingError, EngineDeadError, InferenceError, ServiceError

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False, kw_only=True)
class Job(Entry):
    """One request's pairs on their way through the engine. Times are in the batcher's clock, in seconds."""

    pairs: Sequence[EncodedPair]
    logits: Logits = field(init=False)
    """NaN where not scored."""
    scored: int = field(default=0, init=False)
    submitted: float = field(default=0.0, init=False)
    started: float | None = field(default=None, init=False)
    """When its first micro-batch started; None until then."""
    finished: float = field(default=0.0, init=False)
    """When its last micro-batch finished, or its deadline passed."""
    done: asyncio.Future[None] = field(init=False)

    def record(self, rows: Sequence[int], logits: Logits, run: BatchRun) -> None:
        """Note the logits of some of its pairs."""
        self.logits[rows] = logits
        self.scored += len(rows)
        self.started = run.started if self.started is None else min(self.started, run.started)
        self.finished = max(self.finished, run.finished)


class BatchObserver(Protocol):
    """Who wants to know what the loop did."""

    def batch_done(self, run: BatchRun) -> None:
        """A micro-batch ran."""

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Pairs were thrown away unscored."""


class Batcher:
    """Scores jobs. `start` and `score` belong to one event loop."""

    def __init__(
        self,
        backend: Backend,
        queue: BatchQueue[Job],
        observers: Sequence[BatchObserver] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backend = backend
        self._queue = queue
        self._observers = observers
        self._clock = clock
        self._jobs: set[Job] = set()
        self._pushed = asyncio.Event()
        self._slots = asyncio.Semaphore(backend.concurrency + 1)
        self._loop: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()
        self._refusal: ServiceError | None = None

    @property
    def alive(self) -> bool:
        """Whether jobs are taken and served."""
        return self._loop is not None and self._refusal is None

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
        reason = DropReason.FAILED
        try:
            for job in jobs:
                self._submit(job)
            await asyncio.gather(*[job.done for job in jobs])
        except asyncio.CancelledError:
            reason = DropReason.DISCONNECTED
            raise
        finally:
            for job in jobs:
                self._jobs.discard(job)
                job.dead = job.dead or reason

    def _submit(self, job: Job) -> None:
        if self._refusal is not None:
            raise self._refusal
        loop = asyncio.get_running_loop()
        job.logits = np.full(len(job.pairs), np.nan, dtype=np.float32)
        job.done = loop.create_future()
        job.submitted = self._clock()
        self._jobs.add(job)
        self._queue.push(job)
        self._pushed.set()
        if job.deadline != float("inf"):
            timer = loop.call_later(max(0.0, job.deadline - job.submitted), self._expire, job)
            job.done.add_done_callback(lambda _: timer.cancel())

    async def _run(self) -> None:
        while True:
            await self._slots.acquire()
            shares = await self._next_batch()
            task = asyncio.create_task(self._run_batch(shares))
            self._batches.add(task)
            task.add_done_callback(self._batches.discard)

    async def _next_batch(self) -> list[Share[Job]]:
        while True:
            self._drop_dead()
            if shares := self._queue.next_batch():
                return shares
            self._pushed.clear()
            await self._pushed.wait()

    def _drop_dead(self) -> None:
        for dropped in self._queue.drop_dead(self._clock()):
            for observer in self._observers:
                observer.work_dropped(dropped.reason, dropped.pairs)
            if dropped.reason is DropReason.DEADLINE:
                self._expire(dropped.entry)

    async def _run_batch(self, shares: Sequence[Share[Job]]) -> None:
        try:
            await self._infer(shares)
        except Exception as error:
            await self._retry(shares, error)
        finally:
            self._slots.release()

    async def _retry(self, shares: Sequence[Share[Job]], error: Exception) -> None:
        """Run each share alone, so that a poisoned pair fails the request it came with and no other."""
        if len(shares) == 1:
            self._fail(shares[0].entry, error)
            return
        logger.warning("batch failed, running its shares alone", extra={"fields": {"error": repr(error)}})
        for share in shares:
            if share.entry.dead is not None:
                continue
            try:
                await self._infer([share])
            except Exception as share_error:
                self._fail(share.entry, share_error)

    async def _infer(self, shares: Sequence[Share[Job]]) -> None:
        pairs = [share.entry.pairs[row] for share in shares for row in share.rows]
        run = await self._backend.run(pairs)
        if run.logits.shape != (len(pairs),):
            raise ValueError(f"{len(pairs)} pairs gave logits of shape {run.logits.shape}. This is a bug.")
        if not np.isfinite(run.logits).all():
            raise ValueError("the model gave a logit that is no finite number")
        for observer in self._observers:
            observer.batch_done(run)
        self._deliver(shares, run)

    def _deliver(self, shares: Sequence[Share[Job]], run: BatchRun) -> None:
        start = 0
        for share in shares:
            stop = start + len(share.rows)
            job = share.entry
            # An answer that came too late is not added to: its receiver may be reading it.
            if not job.done.done():
                job.record(share.rows, run.logits[start:stop], run)
                if job.scored == len(job.pairs):
                    job.done.set_result(None)
            start = stop

    def _expire(self, job: Job) -> None:
        if not job.done.done():
            job.dead = DropReason.DEADLINE
            job.finished = self._clock()
            job.done.set_result(None)

    def _fail(self, job: Job, error: Exception) -> None:
        logger.error("inference failed", exc_info=error)
        if not job.done.done():
            job.dead = DropReason.FAILED
            job.done.set_exception(InferenceError("The model failed on a pair of this request."))

    def _loop_ended(self, task: asyncio.Task[None]) -> None:
        if self._refusal is None:
            cause = None if task.cancelled() else task.exception()
            logger.critical("the batching loop has ended. This is a bug.", exc_info=cause)
            self._refuse_all(EngineDeadError("The scoring engine has stopped; this replica needs a restart."))

    def _refuse_all(self, refusal: ServiceError) -> None:
        self._refusal = self._refusal or refusal
        for job in self._jobs:
            if not job.done.done():
                job.dead = DropReason.STOPPED
                job.done.set_exception(refusal)
