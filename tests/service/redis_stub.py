"""A Redis that understands a handful of commands, in threads, and that can hang, refuse, stop and come back."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, BinaryIO

PATIENCE = 30.0
"""No test waits that long, but for one that fails."""


class RedisStub:
    """What it holds are `values` and `lifetimes`; `calls` are the commands that came, but for greetings."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.lifetimes: dict[bytes, int] = {}
        self.calls: list[list[bytes]] = []
        self.connections = 0
        self.replies: dict[bytes, bytes] = {}
        """What it says to a command instead of what Redis would."""
        self.answers = threading.Event()
        """Cleared: it takes commands and says nothing."""
        self.answers.set()
        self._changed = threading.Condition()
        self._server: _Server | None = None
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._port}/1"

    def start(self) -> None:
        """Listen, at the port of before if there was one."""
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.hang_up()

    def wait_until(self, true: Callable[[], object]) -> None:
        """Until a command makes it true."""
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE), "the commands that are waited for did not come"

    def asked(self, name: bytes) -> int:
        return sum(call[0] == name for call in self.calls)

    def reply(self, command: list[bytes]) -> bytes:
        name = command[0].upper()
        with self._changed:
            if name not in (b"CLIENT", b"SELECT", b"AUTH", b"PING"):
                self.calls.append(command)
            if name == b"SET" and name not in self.replies:
                self.values[command[1]] = command[2]
                self.lifetimes[command[1]] = int(command[command.index(b"EX") + 1])
            self._changed.notify_all()
        self.answers.wait(PATIENCE)
        if name in self.replies:
            return self.replies[name]
        return self._values(command[1:]) if name == b"MGET" else b"+OK\r\n"

    def _values(self, keys: list[bytes]) -> bytes:
        return b"*%d\r\n" % len(keys) + b"".join(bulk(self.values.get(key)) for key in keys)


def bulk(value: bytes | None) -> bytes:
    return b"$-1\r\n" if value is None else b"$%d\r\n%b\r\n" % (len(value), value)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, address: tuple[str, int], stub: RedisStub) -> None:
        self.stub = stub
        self._connections: list[socket.socket] = []
        super().__init__(address, _Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.append(request)
        self.stub.connections += 1
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends in the middle of a command is what tests want."""

    def hang_up(self) -> None:
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        while command := _command(self.rfile):
            self.wfile.write(self.server.stub.reply(command))


def _command(stream: BinaryIO) -> list[bytes]:
    """The next array of strings; empty at the end."""
    if not (head := stream.readline()):
        return []
    return [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]
