"""Whether the service takes requests, which it is being sent, and how many it has taken and not yet answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from service.errors import DrainingError, SlowClientError


class Lifecycle:
    """Ready until `start_draining`; drained once every accepted request has left."""

    def __init__(self) -> None:
        self.draining = False
        self.in_flight = 0
        self._receiving: set[asyncio.Timeout] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def receive(self, seconds: float) -> AsyncIterator[None]:
        """Read a body inside; SlowClientError after `seconds`, DrainingError as soon as draining has begun."""
        self._check()
        limit = asyncio.timeout(seconds)
        self._receiving.add(limit)
        try:
            async with limit:
                yield
        except TimeoutError:
            self._check()
            raise SlowClientError(f"The body did not arrive within {seconds:g} s.") from None
        finally:
            self._receiving.discard(limit)

    @contextmanager
    def accept(self) -> Iterator[None]:
        """Hold a place for one request until its answer is made; DrainingError once draining has begun."""
        self._check()
        self.in_flight += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self._idle.set()

    def start_draining(self) -> None:
        """From here on new requests are refused, those still being sent too; accepted ones go on."""
        self.draining = True
        for limit in self._receiving:
            if not limit.expired():
                limit.reschedule(0.0)  # long past: at once

    async def drained(self) -> None:
        """Return when no accepted request is left."""
        await self._idle.wait()

    def _check(self) -> None:
        if self.draining:
            raise DrainingError("The service is shutting down and takes no new requests.")
