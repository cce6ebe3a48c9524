"""What a client may do to its connection: uvicorn's protocol, with a time limit for every state that a client can hold.

| the connection                             | may last             | then                            |
| ------------------------------------------ | -------------------- | ------------------------------- |
| is new and has sent nothing                | `header_seconds`     | closed                          |
| is sending a request's head                | `header_seconds`     | 408, closed                     |
| is sending a body                          | `body_seconds`       | 408, closed: `Lifecycle` counts |
| is sending a body that was answered early  | `body_seconds`       | closed                          |
| is idle after a reply                      | `keep_alive_seconds` | closed: uvicorn counts          |

A head of more than `MAX_HEAD_BYTES` is refused with 431, a connection past the limit with 503, at once. A request that
offers another protocol (`Upgrade: h2c`, as Java's own client does) is answered as if it did not: RFC 9110, section 7.8.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, cast

import httptools
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import (
    HeadTooLargeError,
    MalformedRequestError,
    ServiceError,
    SlowClientError,
    TooManyConnectionsError,
    error_response,
)
from service.gathered_writes import GatheredWrites

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of a request line and headers; one read of the socket may exceed it."""


@dataclass(frozen=True, slots=True)
class ConnectionRules:
    """What holds for every connection."""

    connections: int
    """Most that are open at a time."""
    header_seconds: float
    body_seconds: float
    refused: Callable[[str], None]
    """Told the code of every refusal that does not come from the app."""


class _Parser(httptools.HttpRequestParser):
    """Reads on where httptools stops: it takes what follows the head of an upgrade for another protocol's."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connection = connection

    def feed_data(self, data: Any) -> None:
        """Parse what came."""
        try:
            super().feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            (read,) = upgrade.args
            self._connection.decline_upgrade(bytes(data[read:]))


class Connection(HttpToolsProtocol):
    """One connection of a class that has rules; see `connection_class`."""

    rules: ClassVar[ConnectionRules]
    parser: _Parser
    _replies: GatheredWrites

    _timer: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None
    """Bytes of the head that is being sent; None: none is."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it."""
        self.parser = _Parser(self)
        self._replies = GatheredWrites(transport, self.loop)
        super().connection_made(cast(asyncio.Transport, self._replies))
        if len(self.connections) > self.rules.connections:
            self._refuse(TooManyConnectionsError("The service has all the connections it can hold; try again."))
        else:
            self._arm(self.rules.header_seconds, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; see to it that a client which sends next to nothing is timed all the same."""
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HeadTooLargeError(f"The headers are too large; the limit is {MAX_HEAD_BYTES} bytes."))
        elif self._timer is None and (self.cycle is None or self.cycle.response_complete):
            # Line breaks between requests begin none, and have ended uvicorn's own timer.
            self._arm(self.rules.header_seconds, self.transport.close)

    def on_message_begin(self) -> None:
        """The first byte of a request is there."""
        super().on_message_begin()
        self._head_bytes = 0
        self._arm(self.rules.header_seconds, self._head_is_late)

    def on_headers_complete(self) -> None:
        """The app takes over, and its time limits."""
        if self.parser.should_upgrade():
            return
        self._head_bytes = None
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there."""
        if self.parser.should_upgrade():
            return
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The reply is out; what is left of the body is read and thrown away, for a while."""
        self._replies.flush()
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._arm(self.rules.body_seconds, self.transport.close)

    def decline_upgrade(self, rest: bytes) -> None:
        """Take the request whose head was just parsed for one that asks for no upgrade; `rest` came behind its head."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("CONNECT is for proxies, and this is none.")
            return
        head = [b"%b %b HTTP/%b" % (method, self.url, self.parser.get_http_version().encode())]
        head += [
            b"%b: %b" % (name, _without_upgrade(name, value)) for name, value in self.headers if name != b"upgrade"
        ]
        self.parser = _Parser(self)
        self.parser.feed_data(b"\r\n".join([*head, b"", rest]))

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP."""
        self._refuse(MalformedRequestError(msg))

    def _head_is_late(self) -> None:
        seconds = self.rules.header_seconds
        self._refuse(SlowClientError(f"The headers did not arrive within {seconds:g} s."))

    def _refuse(self, error: ServiceError) -> None:
        """Reply without the app, and close."""
        if self._owes_replies():
            # Replies keep the order of the requests: the one that is owed goes out, and is the last.
            self.cycle.keep_alive = False
            return
        self.rules.refused(error.code)
        logger.debug("connection refused", extra={"fields": {"code": error.code}})
        self.transport.write(_bytes(error_response(error)))
        self.transport.close()

    def _owes_replies(self) -> bool:
        """Whether requests that arrived whole wait for their replies."""
        cycle = self.cycle
        return bool(self.pipeline) or (cycle is not None and not cycle.response_complete and not cycle.more_body)

    def _arm(self, seconds: float, then: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, then)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _without_upgrade(name: bytes, value: bytes) -> bytes:
    if name != b"connection":
        return value
    return b", ".join(option for option in value.split(b",") if option.strip().lower() != b"upgrade")


def connection_class(rules: ConnectionRules) -> type[Connection]:
    """The class to give to uvicorn as `http`, which makes its own connections of it."""
    return type("RuledConnection", (Connection,), {"rules": rules})


def _bytes(response: Response) -> bytes:
    head = [b"HTTP/1.1 %d %b" % (response.status_code, HTTPStatus(response.status_code).phrase.encode())]
    head += [b"%b: %b" % header for header in response.raw_headers]
    return b"\r\n".join([*head, b"", bytes(response.body)])
