from __future__ import annotations

import asyncio

import pytest

from service.errors import DrainingError
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
