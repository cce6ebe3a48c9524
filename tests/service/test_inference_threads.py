from __future__ import annotations

import asyncio
import gc
import math
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import onnxruntime as ort
import pytest

from service import inference_threads
from service.errors import BatchTimeoutError
from service.inference_threads import InferenceThreads, _LateError, _Run

SHORT = 0.01


class Hanging:
    """A run that heeds nothing until it is released."""

    def __init__(self) -> None:
        self.began, self.release = threading.Event(), threading.Event()
        self.options: ort.RunOptions | None = None

    def __call__(self, options: ort.RunOptions) -> str:
        self.options = options
        self.began.set()
        assert self.release.wait(10.0)
        return "late"


def quick(_: ort.RunOptions) -> str:
    return "done"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_threads, "STOP_SECONDS", SHORT)


def test_a_thread_that_does_not_come_back_is_replaced_and_counted() -> None:
    hanging, threads = Hanging(), InferenceThreads(1, SHORT)
    old = threads._pool
    with pytest.raises(BatchTimeoutError):
        asyncio.run(threads.run(hanging))
    assert hanging.options is not None and hanging.options.terminate
    assert threads.stuck == 1
    threads.batch_seconds = math.inf
    assert asyncio.run(threads.run(quick)) == "done"
    hanging.release.set()
    old.shutdown()
    assert threads.stuck == 0
    threads.close()


def test_what_waited_behind_a_thread_that_hangs_is_run_by_a_new_one() -> None:
    hanging, threads = Hanging(), InferenceThreads(1, SHORT)

    async def one_behind_the_other() -> tuple[str | BaseException, str | BaseException]:
        first = asyncio.create_task(threads.run(hanging))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        return await asyncio.gather(first, threads.run(quick), return_exceptions=True)

    first, second = asyncio.run(one_behind_the_other())
    assert isinstance(first, BatchTimeoutError)
    assert second == "done"
    hanging.release.set()
    threads.close()


@pytest.mark.parametrize(("now", "over"), [(8.9, False), (9.1, True)])
def test_time_counts_from_when_a_thread_took_it(now: float, over: bool) -> None:
    threads = InferenceThreads(1, batch_seconds=5.0, clock=lambda: now)

    async def gives_up() -> bool:
        run = _Run(quick, lambda: now, asyncio.get_running_loop(), began=4.0)
        threads._look_later(run, latest=math.inf)
        return run.done.done() and run.done.exception() is not None

    assert asyncio.run(gives_up()) is over
    threads.close()


def test_one_that_no_thread_has_taken_is_given_up_at_the_latest() -> None:
    threads = InferenceThreads(1, batch_seconds=5.0, clock=lambda: 20.0)

    async def gives_up(latest: float) -> bool:
        run = _Run(quick, lambda: 20.0, asyncio.get_running_loop())
        threads._look_later(run, latest)
        return run.done.done() and run.done.exception() is not None

    assert not asyncio.run(gives_up(latest=20.1))
    assert asyncio.run(gives_up(latest=20.0))
    threads.close()


def test_what_comes_back_when_the_loop_is_closed_disturbs_nobody() -> None:
    hanging, threads = Hanging(), InferenceThreads(1)

    async def leave() -> None:
        running = asyncio.create_task(threads.run(hanging))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        running.cancel()

    asyncio.run(leave())
    (running,) = threads._under_way
    hanging.release.set()
    assert running.exception(10.0) is None
    threads.close()
    assert threads.stuck == 0


def test_what_runs_beside_one_that_is_left_behind_is_not_run_again() -> None:
    hanging, slow, threads = Hanging(), Hanging(), InferenceThreads(2)
    calls = 0

    def counted(options: ort.RunOptions) -> str:
        nonlocal calls
        calls += 1
        return slow(options)

    async def both() -> str:
        first, second = (asyncio.create_task(threads.run(function)) for function in (hanging, counted))
        for function in (hanging, slow):
            await asyncio.to_thread(function.began.wait, 10.0)
        of_first, _ = threads._under_way
        threads._leave_behind(of_first)
        first.cancel()
        slow.release.set()
        return await second

    assert asyncio.run(both()) == "late"
    hanging.release.set()
    threads.close()
    assert calls == 1


def test_what_is_given_up_while_it_waits_is_not_run_after_all() -> None:
    hanging, threads = Hanging(), InferenceThreads(1)
    calls = 0

    def counted(options: ort.RunOptions) -> str:
        nonlocal calls
        calls += 1
        return quick(options)

    async def both() -> None:
        first, second = (asyncio.create_task(threads.run(function)) for function in (hanging, counted))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        of_first, of_second = threads._under_way.values()
        # Its time is over in the turn in which the one before it is left behind.
        of_second.fail(_LateError())
        threads._leave_behind(of_first.running)
        with pytest.raises(BatchTimeoutError):
            await second
        first.cancel()

    asyncio.run(both())
    hanging.release.set()
    threads.close()
    assert calls == 0


def test_what_was_cancelled_while_it_waited_is_not_run_after_all() -> None:
    hanging, threads = Hanging(), InferenceThreads(1, SHORT)
    calls = 0

    def counted(options: ort.RunOptions) -> str:
        nonlocal calls
        calls += 1
        return quick(options)

    async def leave() -> None:
        first = asyncio.create_task(threads.run(hanging))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        second = asyncio.create_task(threads.run(counted))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(BatchTimeoutError):
            await first
        threads.batch_seconds = math.inf
        assert await threads.run(quick) == "done"

    asyncio.run(leave())
    hanging.release.set()
    threads.close()
    assert calls == 0


def test_a_run_that_was_lost_with_its_thread_holds_none() -> None:
    threads = InferenceThreads(1, SHORT)

    class DeadPool(ThreadPoolExecutor):
        def submit(self, *_: Any, **__: Any) -> Future[Any]:
            return Future()

    threads._pool = DeadPool(1)
    with pytest.raises(BatchTimeoutError):
        asyncio.run(threads.run(quick))
    assert threads.stuck == 0
    threads.batch_seconds = math.inf
    assert asyncio.run(threads.run(quick)) == "done"
    threads.close()


def test_a_cancelled_run_is_told_to_stop_and_closing_waits_no_longer_than_that() -> None:
    hanging, threads = Hanging(), InferenceThreads(1)

    async def cancel() -> None:
        running = asyncio.create_task(threads.run(hanging))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert hanging.options is not None and hanging.options.terminate
    threads.close()
    assert threads.stuck == 1
    hanging.release.set()


def test_a_run_that_is_cancelled_while_it_is_given_up_is_left_behind_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference_threads, "STOP_SECONDS", 60.0)
    hanging, threads = Hanging(), InferenceThreads(1, SHORT)

    async def cancel_late() -> None:
        running = asyncio.create_task(threads.run(hanging))
        await asyncio.to_thread(hanging.began.wait, 10.0)
        while not (hanging.options and hanging.options.terminate):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel_late())
    assert threads.stuck == 1
    threads.batch_seconds = math.inf
    assert asyncio.run(threads.run(quick)) == "done"
    hanging.release.set()
    threads.close()


def test_what_a_given_up_run_raises_later_is_no_error_of_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    threads = InferenceThreads(1, SHORT)
    release = threading.Event()

    def fails(_: ort.RunOptions) -> str:
        assert release.wait(10.0)
        raise RuntimeError("told to stop")

    async def give_up() -> None:
        with pytest.raises(BatchTimeoutError):
            await threads.run(fails)
        release.set()
        while threads.stuck:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()

    asyncio.run(give_up())
    threads.close()
    assert not [record for record in caplog.records if record.name == "asyncio"]
