"""What goes between the parent and a replica: connections one way, a byte for each event the other way."""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import suppress
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


def tell(channel: socket.socket, event: bytes) -> None:
    """Send an event. A parent that is gone is noticed where connections are taken over."""
    with suppress(OSError):
        channel.send(event)


def events(channel: socket.socket) -> Counter[bytes] | None:
    """How often each event was told; None if the other end is gone."""
    try:
        data = channel.recv(4096)
    except BlockingIOError:
        return Counter()
    except ConnectionError:
        return None
    return Counter(data[place : place + 1] for place in range(len(data))) if data else None
