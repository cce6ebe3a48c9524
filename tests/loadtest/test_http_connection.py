from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from loadtest.closed_loop import drive
from loadtest.http_connection import Reply, connect
from loadtest.systems import Call, Target
from tests.loadtest.stub_server import stub

CALL = Call(b'{"q": 1}', 3)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"


@asynccontextmanager
async def server(parts: Sequence[bytes], received: bytearray | None = None) -> AsyncIterator[Target]:
    """Answers each request with `parts`, one after the other, and then closes the connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(len(CALL.content))
        if received is not None:
            received.extend(request)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with listening:
        yield Target("stub", "127.0.0.1", listening.sockets[0].getsockname()[1], "/score", 5.0)


async def ask(parts: Sequence[bytes], received: bytearray | None = None) -> Reply:
    async with server(parts, received) as target:
        connection = await connect(target)
        try:
            return await connection.request(target, CALL)
        finally:
            connection.close()


def test_the_request_is_whole() -> None:
    received = bytearray()
    assert asyncio.run(ask([OK], received)) == Reply(200, b"yes")
    head, body = bytes(received).split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /score HTTP/1.1"
    assert b"Content-Type: application/json" in lines and b"Content-Length: 8" in lines
    assert lines[1].startswith(b"Host: 127.0.0.1:")
    assert body == CALL.content


def test_a_reply_may_come_in_parts() -> None:
    assert asyncio.run(ask([OK[:5], OK[5:30], OK[30:]])) == Reply(200, b"yes")
    chunks = b"HTTP/1.1 429 Too Many\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1\r\n!\r\n0\r\n\r\n"
    assert asyncio.run(ask([chunks])) == Reply(429, b"no!")


@pytest.mark.parametrize(
    ("parts", "message"),
    [([], "closed before the reply"), ([OK[:-1]], "closed before the reply"), ([b"SMTP ready\r\n\r\n"], "no HTTP")],
)
def test_what_is_no_whole_reply_is_an_error(parts: Sequence[bytes], message: str) -> None:
    with pytest.raises(ConnectionError, match=message):
        asyncio.run(ask(parts))


def test_a_connection_that_the_server_gives_up_is_opened_again() -> None:
    with stub(headers={"Connection": "close"}) as target:
        measured = drive(target, [CALL] * 5, clients=1, seconds=60.0)
    assert len(measured.latencies) == 5


def test_a_client_that_cannot_go_on_ends_the_others() -> None:
    asked = 0

    def answer(_: bytes) -> tuple[int, bytes]:
        nonlocal asked
        asked += 1
        return (500, b"broken") if asked == 1 else (200, b"")

    with stub(answer) as target, pytest.raises(RuntimeError, match="status 500: broken"):
        drive(target, [CALL] * 10_000, clients=2, seconds=60.0)
    assert asked < 10_000
