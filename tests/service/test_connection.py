from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from service.connection import MAX_HEAD_BYTES, Connection, ConnectionRules, connection_class

HEADER_SECONDS, BODY_SECONDS, KEEP_ALIVE = 7.0, 11.0, 5.0
WHOLE = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi"
HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
OPEN_LIMIT = 2


class Timer:
    def __init__(self, loop: Loop, seconds: float, then: Callable[[], None]) -> None:
        self.loop, self.seconds, self.then = loop, seconds, then

    def cancel(self) -> None:
        self.loop.timers.remove(self)


class Loop:
    """Keeps timers until they are told to run out; all else runs in the real loop."""

    def __init__(self) -> None:
        self.timers: list[Timer] = []
        self.create_task = asyncio.get_running_loop().create_task
        self.call_soon = asyncio.get_running_loop().call_soon

    def call_later(self, seconds: float, then: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self, seconds, then))
        return self.timers[-1]

    @property
    def armed(self) -> list[float]:
        return [timer.seconds for timer in self.timers]

    def run_out(self) -> None:
        (timer,) = self.timers
        timer.then()


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.writes = 0
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.written += data
        self.writes += 1

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Bench:
    """Connections to one server, whose app reads a body if it is told to, and answers when it is told to."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.answer = asyncio.Event()
        self.reads_body = True
        self.asked: list[tuple[str, bytes]] = []
        """Method and path, and the body, of each request that was read whole."""
        self.refused: list[str] = []
        self.state = ServerState()
        rules = ConnectionRules(OPEN_LIMIT, HEADER_SECONDS, BODY_SECONDS, self.refused.append)
        self._class = connection_class(rules)
        self._config = uvicorn.Config(self._app, interface="asgi3", http=self._class, ws="none", log_config=None)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", self.reads_body
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.asked.append((f"{scope['method']} {scope['path']}", body))
        await self.answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
        self.writes_when_sent = self.transport.writes

    def connect(self) -> tuple[Connection, Transport]:
        connection = self._class(self._config, self.state, {}, self.loop)  # type: ignore[arg-type]
        self.transport = transport = Transport()
        connection.connection_made(transport)
        return connection, transport

    async def settle(self) -> None:
        """Let the app's tasks run until they wait."""
        for _ in range(10):
            await asyncio.sleep(0)


def scenario(run: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        bench = Bench()
        async with asyncio.timeout(10):
            await run(bench)
        for task in bench.state.tasks:
            task.cancel()

    asyncio.run(main())


def problem(transport: Transport) -> dict[str, Any]:
    """The only reply; it is a problem and ends the connection."""
    head, _, body = transport.written.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert {"connection: close", "content-type: application/problem+json"} <= set(lines)
    assert f"content-length: {len(body)}" in lines
    parsed: dict[str, Any] = json.loads(body)
    assert lines[0].startswith(f"HTTP/1.1 {parsed['status']} ")
    assert transport.closed
    return parsed


def test_a_connection_that_sends_nothing_is_closed_without_a_word() -> None:
    async def run(bench: Bench) -> None:
        _, transport = bench.connect()
        assert bench.loop.armed == [HEADER_SECONDS]
        bench.loop.run_out()
        assert (transport.closed, transport.written, bench.refused) == (True, b"", [])

    scenario(run)


def test_headers_that_come_too_slowly_are_a_408() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        for byte in HEAD[:-1]:
            connection.data_received(bytes([byte]))
        # Not one timer for each byte: what counts is the whole.
        assert bench.loop.armed == [HEADER_SECONDS]
        bench.loop.run_out()
        assert problem(transport)["code"] == "slow_client"
        assert "7 s" in problem(transport)["detail"]
        assert bench.refused == ["slow_client"]

    scenario(run)


def test_a_request_that_is_there_is_timed_by_the_app_and_then_by_uvicorn() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        connection.data_received(WHOLE)
        await bench.settle()
        assert bench.loop.armed == []
        bench.answer.set()
        await bench.settle()
        assert transport.written.startswith(b"HTTP/1.1 200")
        assert transport.writes == 1, "each write would wake the client"
        assert bench.writes_when_sent == 1, "a whole reply waits for no other turn of the loop"
        assert bench.loop.armed == [KEEP_ALIVE]
        connection.data_received(WHOLE[:3])
        assert bench.loop.armed == [HEADER_SECONDS]
        connection.data_received(WHOLE[3:])
        await bench.settle()
        assert bench.loop.armed == [KEEP_ALIVE]

    scenario(run)


def test_line_breaks_do_not_keep_a_connection() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        bench.answer.set()
        connection.data_received(WHOLE)
        await bench.settle()
        for _ in range(3):
            connection.data_received(b"\r\n")
        assert bench.loop.armed == [HEADER_SECONDS]
        bench.loop.run_out()
        assert transport.closed

    scenario(run)


def test_the_rest_of_a_body_that_was_answered_early_is_read_for_a_while() -> None:
    async def run(bench: Bench) -> None:
        bench.reads_body = False
        bench.answer.set()
        connection, transport = bench.connect()
        connection.data_received(HEAD)
        await bench.settle()
        assert sorted(bench.loop.armed) == [KEEP_ALIVE, BODY_SECONDS]
        connection.data_received(b"b")
        assert bench.loop.armed == [BODY_SECONDS]
        bench.loop.run_out()
        assert transport.closed

    scenario(run)


def test_a_connection_goes_on_after_the_rest_of_such_a_body() -> None:
    async def run(bench: Bench) -> None:
        bench.reads_body = False
        bench.answer.set()
        connection, transport = bench.connect()
        connection.data_received(HEAD)
        await bench.settle()
        connection.data_received(b"123456789")
        assert bench.loop.armed == [HEADER_SECONDS]
        connection.data_received(WHOLE)
        await bench.settle()
        assert transport.written.count(b"HTTP/1.1 200") == 2

    scenario(run)


@pytest.mark.parametrize("second", [b"POST", b"no http\r\n\r\n"])
def test_a_refusal_does_not_overtake_the_reply_to_an_earlier_request(second: bytes) -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        connection.data_received(WHOLE)
        await bench.settle()
        connection.data_received(second)
        for timer in bench.loop.timers:
            timer.then()
        assert (transport.written, transport.closed) == (b"", False)
        bench.answer.set()
        await bench.settle()
        assert transport.written.startswith(b"HTTP/1.1 200")
        assert transport.closed

    scenario(run)


def test_what_is_no_http_is_a_400() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        connection.data_received(b"\x16\x03\x01 hello\r\n\r\n")
        assert problem(transport)["code"] == "malformed_request"

    scenario(run)


@pytest.mark.parametrize("cut", [1, 60, -9, None])
def test_a_request_that_offers_another_protocol_is_answered_as_if_it_did_not(cut: int | None) -> None:
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEA\r\n"
    body = b"GET /info HTTP/1.1\r\n\r\n"
    head = b"POST /score HTTP/1.1\r\nHost: x\r\n" + offer + b"Content-Length: %d\r\n\r\n" % len(body)

    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        bench.answer.set()
        sent = head + body + WHOLE
        connection.data_received(sent[:cut])
        if cut is not None:
            connection.data_received(sent[cut:])
        await bench.settle()
        assert bench.asked == [("POST /score", body), ("POST /score", b"hi")]
        assert transport.written.count(b"HTTP/1.1 200 OK") == 2
        assert (bench.refused, transport.closed) == ([], False)
        assert bench.loop.armed == [KEEP_ALIVE]

    scenario(run)


def test_a_proxy_is_not_what_this_is() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        connection.data_received(b"CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example\r\n\r\nhello")
        assert problem(transport)["code"] == "malformed_request"
        assert bench.asked == []

    scenario(run)


def test_a_head_without_end_is_a_431() -> None:
    async def run(bench: Bench) -> None:
        connection, transport = bench.connect()
        connection.data_received(b"GET / HTTP/1.1\r\n")
        sent = 16
        while not transport.closed:
            assert sent <= MAX_HEAD_BYTES
            line = b"x-filler: %b\r\n" % (b"x" * 986)
            connection.data_received(line)
            sent += len(line)
        assert problem(transport)["code"] == "head_too_large"

    scenario(run)


def test_large_bodies_are_no_large_heads() -> None:
    async def run(bench: Bench) -> None:
        bench.answer.set()
        connection, transport = bench.connect()
        for _ in range(3):
            connection.data_received(b"POST / HTTP/1.1\r\nContent-Length: 200000\r\n\r\n")
            connection.data_received(b"x" * 100_000)
            await bench.settle()
            connection.data_received(b"x" * 100_000)
            await bench.settle()
        assert transport.written.count(b"HTTP/1.1 200") == 3

    scenario(run)


def test_a_connection_past_the_limit_is_told_503_and_makes_room_when_it_is_gone() -> None:
    async def run(bench: Bench) -> None:
        for _ in range(OPEN_LIMIT):
            bench.connect()
        connection, transport = bench.connect()
        assert problem(transport)["code"] == "too_many_connections"
        assert b"retry-after: 1" in transport.written
        connection.connection_lost(None)
        assert len(bench.state.connections) == OPEN_LIMIT
        assert bench.loop.armed == [HEADER_SECONDS] * OPEN_LIMIT

    scenario(run)


@pytest.mark.parametrize("sent", [b"", HEAD[:10], WHOLE])
def test_a_lost_connection_leaves_no_timer(sent: bytes) -> None:
    async def run(bench: Bench) -> None:
        connection, _ = bench.connect()
        if sent:
            connection.data_received(sent)
        connection.connection_lost(None)
        assert bench.loop.armed == []
        assert not bench.state.connections

    scenario(run)
