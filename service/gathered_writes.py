"""A reply's head and body in one call to the socket: uvicorn hands them over apart, and each call wakes the client."""

from __future__ import annotations

import asyncio
from typing import Any

LARGE_BYTES = 64 * 1024


class GatheredWrites:
    """A transport that sends together what is written in one turn of the event loop; all else is its own."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send it at the end of this turn; what is large at once, for only the transport tells who writes too much."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        if len(data) > LARGE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is written so far now; nobody reads it where the connection is closed."""
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():
            self._transport.write(b"".join(parts))

    def close(self) -> None:
        """Send what is written, and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
