"""Servers that take a request and do not answer as HTTP wants it, each in a thread of the test."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from loadtest.systems import Target

SPEAKS_NO_HTTP = b"220 mail.example ready\r\n"
REPLY_CUT_OFF = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the beginning"

Server = Callable[[], AbstractContextManager[Target]]
Treat = Callable[[socket.socket], None]


def closes() -> AbstractContextManager[Target]:
    """Closes each connection after the request."""
    return _treating(lambda _: None)


def resets() -> AbstractContextManager[Target]:
    """Resets each connection after the request."""
    return _treating(_linger_nothing)


def talks(reply: bytes) -> Server:
    """Sends `reply` and closes the connection."""
    return partial(_treating, lambda connection: connection.sendall(reply))


def _linger_nothing(connection: socket.socket) -> None:
    # Closed without lingering, a connection ends with RST.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextmanager
def _treating(treat: Treat) -> Iterator[Target]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, treat))
        thread.start()
        try:
            yield Target("faulty", "127.0.0.1", listener.getsockname()[1], "/score", 5.0)
        finally:
            # Wakes the thread out of `accept`.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, treat: Treat) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            treat(connection)
