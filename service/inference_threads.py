"""The threads that run micro-batches, and what becomes of a run that takes too long.

It is told to stop; ONNX Runtime looks at that between two operators. A thread that does not come back even so is
left behind and replaced: its run is `stuck`, and readiness is off until it returns. What waited behind it for a
thread is run by a new one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import onnxruntime as ort

from service.errors import BatchTimeoutError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

STOP_SECONDS = 1.0
"""How long a run that was told to stop may take to notice."""


@dataclass(slots=True, eq=False)
class _Run(Generic[Result]):
    """`began`: when a thread took it; None while it waits for one."""

    function: Callable[[ort.RunOptions], Result]
    clock: Callable[[], float]
    options: ort.RunOptions = field(default_factory=ort.RunOptions)
    began: float | None = None

    def __call__(self) -> Result:
        self.began = self.clock()
        return self.function(self.options)


class InferenceThreads:
    """So many at once. `run` and `close` belong to one event loop."""

    def __init__(
        self, count: int, batch_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A run that takes longer than `batch_seconds` is given up."""
        self.batch_seconds = batch_seconds
        self._count = count
        self._clock = clock
        self._under_way: set[Future[Any]] = set()
        # A set, because a thread that comes back takes its run out itself.
        self._left_behind: set[Future[Any]] = set()
        self._pool = self._new_pool()

    @property
    def stuck(self) -> int:
        """Runs that were left behind and still hold a thread."""
        return len(self._left_behind)

    async def run(self, function: Callable[[ort.RunOptions], Result]) -> Result:
        """What `function` gives in a thread; BatchTimeoutError if that takes too long.

        Cancel it, and the run is told to stop.
        """
        run = _Run(function, self._clock)
        while True:
            running = self._pool.submit(run)
            self._under_way.add(running)
            running.add_done_callback(self._under_way.discard)
            future = asyncio.wrap_future(running)
            future.add_done_callback(_read)
            try:
                await self._wait(run, future)
            except asyncio.CancelledError:
                run.options.terminate = True
                running.cancel()
                raise
            if not future.done():
                await self._give_up(run, running, future)
            if not future.cancelled():
                return future.result()
            # No thread had taken it when those of its pool were left behind.

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What `function` gives for each, in threads; waits for them without a limit."""
        return self._pool.map(function, items)

    def close(self) -> None:
        """Free the threads; those that do not end soon are stuck."""
        left = wait(self._under_way, STOP_SECONDS).not_done
        self._left_behind |= left
        self._pool.shutdown(wait=not left, cancel_futures=True)

    async def _wait(self, run: _Run[Result], future: asyncio.Future[Result]) -> None:
        """Until it is done, or its time is over: that counts from when a thread took it."""
        # Of what lies ahead of it, each comes to an end or is left behind by then.
        latest = self._clock() + 2 * self.batch_seconds + STOP_SECONDS
        while not future.done():
            now = self._clock()
            until = run.began + self.batch_seconds if run.began is not None else min(now + self.batch_seconds, latest)
            if until <= now:
                return
            await asyncio.wait((future,), timeout=None if math.isinf(until) else until - now)

    async def _give_up(self, run: _Run[Result], running: Future[Result], future: asyncio.Future[Result]) -> None:
        run.options.terminate = True
        try:
            await asyncio.wait((future,), timeout=STOP_SECONDS)
        finally:
            if not future.done():
                self._leave_behind(running)
        raise BatchTimeoutError(f"a micro-batch did not end within {self.batch_seconds:g} s")

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, thread_name_prefix="inference")

    def _leave_behind(self, running: Future[Result]) -> None:
        """Go on with new threads; the old ones end when they come back."""
        # A run that never began was lost with its thread, and holds none.
        if not running.cancel():
            self._under_way.discard(running)
            self._left_behind.add(running)
            running.add_done_callback(self._left_behind.discard)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()
        logger.error("a micro-batch was given up", extra={"fields": {"stuck": self.stuck}})


def _read(future: asyncio.Future[Any]) -> None:
    """Take note of how it ended: of what was given up nobody else does, and asyncio would log that as an error."""
    if not future.cancelled():
        future.exception()
