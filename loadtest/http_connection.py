"""One HTTP/1.1 connection for clients that share the cores with what they measure: next to nothing but the parser."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

import httptools

from loadtest.systems import Call, Target


class Reply(NamedTuple):
    """Status and body."""

    status: int
    body: bytes


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time over a connection that it keeps open. httptools calls the methods `on_…`."""

    _transport: asyncio.Transport
    _reply: asyncio.Future[Reply]

    def __init__(self) -> None:
        self.open = False
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []

    def request(self, target: Target, call: Call) -> asyncio.Future[Reply]:
        """POST `call`; the future fails with a ConnectionError if the server closes the connection instead."""
        self._reply = asyncio.get_running_loop().create_future()
        self._body = []
        head = f"POST {target.path} HTTP/1.1\r\nHost: {target.host}:{target.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(call.content)}\r\n\r\n"
        self._transport.write(head.encode() + call.content)
        return self._reply

    def close(self) -> None:
        """No more will be asked."""
        self.open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """It is open."""
        self._transport, self.open = transport, True

    def data_received(self, data: bytes) -> None:
        """A part of a reply is there."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(ConnectionError(f"the reply is no HTTP: {error}"))
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The server or the client has closed it."""
        self.open = False
        self._fail(error or ConnectionError("the connection was closed before the reply"))

    def on_body(self, body: bytes) -> None:
        """A part of the body is there."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The reply is whole."""
        if not self._parser.should_keep_alive():
            self.close()
        if not self._reply.done():
            self._reply.set_result(Reply(self._parser.get_status_code(), b"".join(self._body)))

    def _fail(self, error: Exception) -> None:
        if hasattr(self, "_reply") and not self._reply.done():
            self._reply.set_exception(error)


async def connect(target: Target) -> HttpConnection:
    """Open a connection to `target`; OSError where that fails."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(HttpConnection, target.host, target.port)
    return connection
