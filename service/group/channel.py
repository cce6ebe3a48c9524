"""What goes between the parent and a replica: connections one way, a byte for each event the other way."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Final

READY: Final = b"R"
"""The replica takes connections."""
CLOSED: Final = b"C"
"""A connection that was handed to it is closed."""

_CONNECTION: Final = b"+"
_AT_ONCE: Final = 64


def open_channel() -> tuple[socket.socket, socket.socket]:
    """The parent's end and the replica's; neither blocks."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    return ends


def hand_over(channel: socket.socket, connection: socket.socket) -> bool:
    """Give a connection away, which the caller may close then; False if the other end is gone, or takes none now."""
    try:
        socket.send_fds(channel, [_CONNECTION], [connection.fileno()])
    except OSError:
        return False
    return True


def take_over(channel: socket.socket) -> list[socket.socket] | None:
    """The connections that have come; None if the other end is gone."""
    try:
        data, handles, _, _ = socket.recv_fds(channel, _AT_ONCE, _AT_ONCE)
    except BlockingIOError:
        return []
    except ConnectionError:
        return None
    return [socket.socket(fileno=handle) for handle in handles] if data else None


class Teller:
    """Sends events from the running event loop; those that the channel has no room for go once it has.

    None may be lost: the parent would count a closed connection for ever. A parent that is gone is noticed where
    connections are taken over.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._untold = b""

    def tell(self, event: bytes) -> None:
        """Send an event behind all earlier ones."""
        first = not self._untold
        self._untold += event
        if first:
            self._send()

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_writer(self._channel)
        try:
            self._untold = self._untold[self._channel.send(self._untold) :]
        except BlockingIOError:
            pass
        except OSError:
            self._untold = b""
        if self._untold:
            loop.add_writer(self._channel, self._send)


def events(channel: socket.socket) -> Counter[bytes] | None:
    """How often each event was told; None if the other end is gone."""
    try:
        data = channel.recv(4096)
    except BlockingIOError:
        return Counter()
    except ConnectionError:
        return None
    return Counter(data[place : place + 1] for place in range(len(data))) if data else None
