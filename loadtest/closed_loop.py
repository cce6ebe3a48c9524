"""Closed-loop clients: each sends its next request when the last reply is in. Light, for they share the machine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

import uvloop

from loadtest.http_connection import HttpConnection, connect
from loadtest.measured import Measured
from loadtest.systems import Call, Target

T = TypeVar("T")


def drive(target: Target, calls: Iterable[Call], clients: int, seconds: float) -> Measured:
    """Send `calls` from that many clients until there are no more or `seconds` are over.

    Raises RuntimeError, which names the target, on any reply but 200 and on none within its timeout.
    """
    return _run(target, _drive(target, iter(calls), clients, seconds))


def ask(target: Target, call: Call) -> bytes:
    """Send one request and return the body of its reply; raises as `drive` does."""
    return _run(target, _ask(target, call))


def _run(target: Target, work: Coroutine[Any, Any, T]) -> T:
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except TimeoutError:
        raise target.failure(f"no reply within {target.timeout:g} s") from None
    except (OSError, _RefusedError) as error:
        raise target.failure(str(error) or repr(error)) from error


async def _ask(target: Target, call: Call) -> bytes:
    client = _Client(target)
    try:
        return await client.post(call)
    finally:
        client.close()


async def _drive(target: Target, calls: Iterator[Call], clients: int, seconds: float) -> Measured:
    started = time.perf_counter()
    done: list[tuple[int, float]] = []

    async def send_all(client: _Client) -> None:
        try:
            while time.perf_counter() - started < seconds and (call := next(calls, None)) is not None:
                sent = time.perf_counter()
                await client.post(call)
                done.append((call.pairs, time.perf_counter() - sent))
        finally:
            client.close()

    # The first failure ends all: what the others were still to bring is no throughput.
    sending = [asyncio.ensure_future(send_all(_Client(target))) for _ in range(clients)]
    try:
        await asyncio.gather(*sending)
    finally:
        for one in sending:
            one.cancel()
        await asyncio.gather(*sending, return_exceptions=True)
    took = time.perf_counter() - started
    return Measured(sum(pairs for pairs, _ in done), took, [latency for _, latency in done])


class _RefusedError(Exception):
    """A reply with another status than 200."""


class _Client:
    """Asks one thing after the other; a connection that the server has closed is opened again."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection: HttpConnection | None = None

    async def post(self, call: Call) -> bytes:
        """The body of the reply."""
        async with asyncio.timeout(self._target.timeout):
            if self._connection is None or not self._connection.open:
                self._connection = await connect(self._target)
            reply = await self._connection.request(self._target, call)
        if reply.status != 200:
            raise _RefusedError(f"status {reply.status}: {reply.body[:300].decode(errors='replace')}")
        return reply.body

    def close(self) -> None:
        """It asks no more."""
        if self._connection is not None:
            self._connection.close()
