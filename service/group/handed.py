"""A replica's side: connections that the parent accepted become connections of its server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from service.connection import Connection
from service.group.channel import CLOSED, READY, Teller, take_over

MakeConnection = Callable[[], asyncio.Protocol]


class HandedConnections:
    """Takes connections from a channel, from `start` on; `parent_gone` is called when there is no parent any more."""

    def __init__(
        self, channel: socket.socket, teller: Teller, make: MakeConnection, parent_gone: Callable[[], None]
    ) -> None:
        self._channel = channel
        self._teller = teller
        self._make = make
        self._parent_gone = parent_gone
        self._taking: set[asyncio.Task[object]] = set()

    def start(self) -> None:
        """Tell the parent that it is ready, and take what comes."""
        asyncio.get_running_loop().add_reader(self._channel, self._take)
        self._teller.tell(READY)

    def stop(self) -> None:
        """Take no more."""
        asyncio.get_running_loop().remove_reader(self._channel)

    def _take(self) -> None:
        connections = take_over(self._channel)
        if connections is None:
            self.stop()
            self._parent_gone()
            return
        loop = asyncio.get_running_loop()
        for connection in connections:
            connection.setblocking(False)
            task = loop.create_task(self._open(loop, connection))
            self._taking.add(task)
            task.add_done_callback(self._taking.discard)

    async def _open(self, loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
        try:
            await loop.connect_accepted_socket(self._make, connection)
        except OSError:
            # The client has left meanwhile.
            connection.close()
            self._teller.tell(CLOSED)


def counted_class(base: type[Connection], teller: Teller) -> type[Connection]:
    """Connections that tell the parent of their end."""

    class Counted(base):  # type: ignore[valid-type, misc]
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            teller.tell(CLOSED)

    return Counted
