from __future__ import annotations

import asyncio
import contextlib

import pytest
from starlette.types import Message

from service.errors import ClientGoneError
from service.routes.answering import _unless_client_leaves


class Client:
    """Stays until it leaves."""

    def __init__(self) -> None:
        self.left = asyncio.Event()

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}


class Scoring:
    """Takes until it is told to end."""

    def __init__(self) -> None:
        self.end = asyncio.Event()
        self.cancelled = False

    async def run(self) -> str:
        try:
            await self.end.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return "scores"


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_client_that_leaves_ends_the_scoring() -> None:
    async def run() -> None:
        client, scoring = Client(), Scoring()
        answering = asyncio.create_task(_unless_client_leaves(client.receive, scoring.run()))
        await turns()
        client.left.set()
        with pytest.raises(ClientGoneError):
            await answering
        assert scoring.cancelled

    asyncio.run(run())


def test_one_that_leaves_when_all_is_scored_disturbs_nobody() -> None:
    async def run() -> None:
        client, scoring = Client(), Scoring()

        async def answer() -> str:
            reply = await _unless_client_leaves(client.receive, scoring.run())
            await turns()
            return reply

        answering = asyncio.create_task(answer())
        await turns()
        scoring.end.set()
        client.left.set()
        assert await answering == "scores"
        assert asyncio.all_tasks() == {asyncio.current_task()}, "nobody waits for its leaving any more"

    asyncio.run(run())


def test_who_ends_the_request_is_obeyed() -> None:
    async def run() -> None:
        client, scoring = Client(), Scoring()
        answering = asyncio.create_task(_unless_client_leaves(client.receive, scoring.run()))
        await turns()
        client.left.set()
        # Its leaving is noticed, and the scoring is not ended yet.
        await turns(2)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert scoring.cancelled

    asyncio.run(run())


def test_a_client_that_leaves_gets_no_answer_from_what_does_not_heed_it() -> None:
    async def run() -> None:
        client, scoring = Client(), Scoring()

        async def heedless() -> str:
            with contextlib.suppress(asyncio.CancelledError):
                await scoring.run()
            return "scores"

        async def answer() -> int:
            with pytest.raises(ClientGoneError):
                await _unless_client_leaves(client.receive, heedless())
            task = asyncio.current_task()
            assert task is not None
            return task.cancelling()

        answering = asyncio.create_task(answer())
        await turns()
        client.left.set()
        assert await answering == 0

    asyncio.run(run())


def test_what_goes_wrong_is_told() -> None:
    async def fails() -> str:
        raise ValueError("broken")

    async def run() -> None:
        with pytest.raises(ValueError, match="broken"):
            await _unless_client_leaves(Client().receive, fails())

    asyncio.run(run())
