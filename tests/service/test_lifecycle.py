from __future__ import annotations

import asyncio

import pytest

from service.errors import DrainingError, SlowClientError
from service.lifecycle import Lifecycle


def test_an_idle_service_is_drained_at_once() -> None:
    lifecycle = Lifecycle()
    lifecycle.start_draining()
    asyncio.run(lifecycle.drained())


def test_new_requests_are_refused_while_draining() -> None:
    lifecycle = Lifecycle()
    lifecycle.start_draining()
    with pytest.raises(DrainingError), lifecycle.accept():
        pytest.fail("was accepted")
    assert lifecycle.in_flight == 0


def test_it_is_drained_when_the_last_request_has_left() -> None:
    async def scenario() -> None:
        lifecycle = Lifecycle()
        with lifecycle.accept():
            with lifecycle.accept():
                lifecycle.start_draining()
                waiting = asyncio.create_task(lifecycle.drained())
            assert lifecycle.in_flight == 1
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

    asyncio.run(scenario())


def test_a_failed_request_leaves_too() -> None:
    lifecycle = Lifecycle()
    with pytest.raises(ZeroDivisionError), lifecycle.accept():
        raise ZeroDivisionError
    assert lifecycle.in_flight == 0


def test_a_body_that_is_not_there_in_time_is_refused() -> None:
    async def scenario() -> None:
        lifecycle = Lifecycle()
        with pytest.raises(SlowClientError, match=r"within 0\.001 s"):
            async with lifecycle.receive(0.001):
                await asyncio.Event().wait()
        async with lifecycle.receive(60):
            pass

    asyncio.run(scenario())


def test_draining_does_not_wait_for_bodies_and_refuses_them() -> None:
    async def receive(lifecycle: Lifecycle) -> None:
        async with lifecycle.receive(60):
            await asyncio.Event().wait()

    async def scenario() -> None:
        lifecycle = Lifecycle()
        receiving = [asyncio.create_task(receive(lifecycle)) for _ in range(2)]
        await asyncio.sleep(0)
        assert lifecycle.in_flight == 0
        lifecycle.start_draining()
        await lifecycle.drained()
        refused = await asyncio.wait_for(asyncio.gather(*receiving, return_exceptions=True), 10)
        assert [type(error) for error in refused] == [DrainingError, DrainingError]
        with pytest.raises(DrainingError):
            async with lifecycle.receive(60):
                pytest.fail("was received")

    asyncio.run(scenario())


def test_a_body_that_runs_out_of_time_as_draining_begins_does_no_harm() -> None:
    async def scenario() -> None:
        lifecycle, loop = Lifecycle(), asyncio.get_running_loop()
        began = loop.create_future()
        with pytest.raises(DrainingError):
            async with lifecycle.receive(0):
                # In the loop's turn in which the limit has expired, and its task does not know yet.
                loop.call_soon(lambda: began.set_result(lifecycle.start_draining()))
                await asyncio.Event().wait()
        assert began.done()

    asyncio.run(scenario())
