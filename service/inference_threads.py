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
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import onnxruntime as ort

from service.errors import BatchTimeoutError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Item = TypeVar("Item")

STOP_SECONDS = 1.0
"""How long a run that was told to stop may take to notice."""


class _LateError(Exception):
    """A run takes too long."""


@dataclass(slots=True, eq=False)
class _Run(Generic[Result]):
    """`began`: when a thread took it; None while it waits for one. `running` is its place in the pool."""

    function: Callable[[ort.RunOptions], Result]
    clock: Callable[[], float]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Result] = field(init=False)
    running: Future[None] = field(init=False)
    options: ort.RunOptions = field(default_factory=ort.RunOptions)
    began: float | None = None
    timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self.done = self.loop.create_future()

    def __call__(self) -> None:
        """What the thread does. It tells the loop itself: a chain of futures costs several times as much."""
        self.began = self.clock()
        try:
            result = self.function(self.options)
        except BaseException as error:
            self._tell(self.fail, error)
        else:
            self._tell(self._succeed, result)

    def _tell(self, how: Callable[[Any], None], outcome: object) -> None:
        # A loop that is closed waits for nothing any more.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(how, outcome)

    def _succeed(self, result: Result) -> None:
        if not self.done.done():
            self.done.set_result(result)

    def fail(self, error: BaseException) -> None:
        """It ends so, unless it has ended."""
        if not self.done.done():
            self.done.set_exception(error)


class InferenceThreads:
    """So many at once. `run` and `close` belong to one event loop."""

    def __init__(
        self, count: int, batch_seconds: float = math.inf, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """A run that takes longer than `batch_seconds` is given up."""
        self.batch_seconds = batch_seconds
        self._count = count
        self._clock = clock
        self._under_way: dict[Future[None], _Run[Any]] = {}
        # A set, because a thread that comes back takes its run out itself.
        self._left_behind: set[Future[None]] = set()
        self._pool = self._new_pool()

    @property
    def stuck(self) -> int:
        """Runs that were left behind and still hold a thread."""
        return len(self._left_behind)

    async def run(self, function: Callable[[ort.RunOptions], Result]) -> Result:
        """What `function` gives in a thread; BatchTimeoutError if that takes too long.

        Cancel it, and the run is told to stop.
        """
        run = _Run(function, self._clock, asyncio.get_running_loop())
        self._submit(run)
        if not math.isinf(self.batch_seconds):
            # Of what lies ahead of it, each comes to an end or is left behind by then.
            self._look_later(run, latest=self._clock() + 2 * self.batch_seconds + STOP_SECONDS)
        try:
            return await run.done
        except asyncio.CancelledError:
            run.options.terminate = True
            run.running.cancel()
            raise
        except _LateError:
            await self._give_up(run)
            raise BatchTimeoutError(f"a micro-batch did not end within {self.batch_seconds:g} s") from None
        finally:
            if run.timer is not None:
                run.timer.cancel()

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """What `function` gives for each, in threads; waits for them without a limit."""
        return self._pool.map(function, items)

    def close(self) -> None:
        """Free the threads; those that do not end soon are stuck."""
        left = wait(list(self._under_way), STOP_SECONDS).not_done
        self._left_behind |= left
        self._pool.shutdown(wait=not left, cancel_futures=True)

    def _submit(self, run: _Run[Any]) -> None:
        run.running = self._pool.submit(run)
        self._under_way[run.running] = run
        run.running.add_done_callback(self._forget)

    def _forget(self, running: Future[None]) -> None:
        self._under_way.pop(running, None)

    def _look_later(self, run: _Run[Any], latest: float) -> None:
        """Fail it once its time is over: that counts from when a thread took it, which is by `latest` at most."""
        now = self._clock()
        until = run.began + self.batch_seconds if run.began is not None else min(now + self.batch_seconds, latest)
        if until > now:
            run.timer = run.loop.call_later(until - now, self._look_later, run, latest)
        else:
            run.fail(_LateError())

    async def _give_up(self, run: _Run[Any]) -> None:
        run.options.terminate = True
        try:
            await asyncio.wait((asyncio.wrap_future(run.running),), timeout=STOP_SECONDS)
        finally:
            if not run.running.done():
                self._leave_behind(run.running)

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._count, thread_name_prefix="inference")

    def _leave_behind(self, running: Future[None]) -> None:
        """Go on with new threads; the old ones end when they come back."""
        # A run that never began was lost with its thread, and holds none.
        if not running.cancel():
            self._forget(running)
            self._left_behind.add(running)
            running.add_done_callback(self._left_behind.discard)
        waiting = [run for run in list(self._under_way.values()) if not run.done.done()]
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()
        for run in waiting:
            # No thread had taken it.
            if run.running.cancelled():
                self._submit(run)
        logger.error("a micro-batch was given up", extra={"fields": {"stuck": self.stuck}})
