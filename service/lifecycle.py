"""Whether the service takes requests, and how many it has taken and not yet answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import DrainingError


class Lifecycle:
    """Ready until `start_draining`; drained once every accepted request has left."""

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def accept(self) -> Iterator[None]:
        """Hold a place for one request until its answer is made; DrainingError once draining has begun."""
        if self.draining:
            raise DrainingError("The service is shutting down and takes no new requests.")
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()

    def start_draining(self) -> None:
        """From here on new requests are refused; accepted ones go on."""
        self.draining = True

    async def drained(self) -> None:
        """Return when no accepted request is left."""
        await self._idle.wait()
