"""Clients that send next to nothing, against the real process: they cost little, hinder nobody, and are sent away."""

from __future__ import annotations

import json
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.e2e.server_process import SECONDS, failing_start, serving, titles

CLIENTS = 5000
KILOBYTE = 1000
BOUND_PER_CLIENT = 30 * KILOBYTE
"""Resident memory that a slow client may cost on average; one whose headers are there has a task of the app as well."""

HEAD = b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Allows this process a socket for each client."""
    needed = CLIENTS + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard >= needed, f"needs {needed} open files; raise ulimit -Hn ({hard})"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class SlowClient:
    """Sends `head` at once and then a byte whenever it is told to. `reply` is all that came back."""

    def __init__(self, port: int, head: bytes, rest: bytes) -> None:
        self.reply = b""
        self.ended = threading.Event()
        self._rest = iter(rest)
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._socket.sendall(head)
        self._socket.setblocking(False)

    def send_byte(self) -> None:
        with suppress(ConnectionError):
            self._socket.send(bytes([next(self._rest)]))

    def look(self) -> None:
        """Take in what came, without waiting."""
        try:
            while received := self._socket.recv(4096):
                self.reply += received
            self.ended.set()
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended.set()

    def close(self) -> None:
        self._socket.close()


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[list[SlowClient]]:
    """Half of them dawdle over their headers, half over their bodies: one byte a second, until they are cut off."""
    clients: list[SlowClient] = []
    enough = threading.Event()

    def dawdle() -> None:
        while not enough.wait(1.0):
            for client in list(clients):
                client.look()
                if not client.ended.is_set():
                    client.send_byte()

    with ExitStack() as stack:
        thread = threading.Thread(target=dawdle)
        thread.start()
        stack.callback(thread.join)
        stack.callback(enough.set)
        for number in range(count):
            head, rest = (HEAD, b"x" * 1000) if number % 2 else (HEAD[:1], HEAD[1:])
            clients.append(SlowClient(port, head, rest))
            stack.callback(clients[-1].close)
        yield clients


def test_5000_slow_clients_hinder_nobody_cost_little_and_are_cut_off(bundle: Path, many_files: None) -> None:
    with serving(bundle, header_seconds=8, body_seconds=8) as server:
        before = server.metrics()["process_resident_memory_bytes"]
        with slow_clients(server.port, CLIENTS) as clients:
            server.wait_for_metric("aisle_connections", CLIENTS)
            bodies = [{"query": "red", "candidates": titles(20, 20 * number)} for number in range(30)]
            assert {server.http.post("/score", json=body).status_code for body in bodies} == {200}
            assert server.http.get("/readyz").status_code == 200
            cost = server.metrics()["process_resident_memory_bytes"] - before
            assert cost <= CLIENTS * BOUND_PER_CLIENT
            assert all(client.ended.wait(SECONDS) for client in clients)
            assert {client.reply[:13] for client in clients} == {b"HTTP/1.1 408 "}
        told = server.metrics()
        assert told["aisle_refused_total|slow_client"] == CLIENTS
        assert told["aisle_in_flight_requests"] == 0
        server.wait_until(lambda: server.metrics()["aisle_connections"] == 1)
        assert server.score("red", ["good"]).status_code == 200


def test_a_slow_client_is_told_why_in_a_problem(bundle: Path) -> None:
    with serving(bundle, header_seconds=0.2, body_seconds=0.2) as server, slow_clients(server.port, 2) as clients:
        assert all(client.ended.wait(SECONDS) for client in clients)
        for client, word in zip(clients, ("headers", "body"), strict=True):
            head, _, body = client.reply.partition(b"\r\n\r\n")
            assert b"\r\nconnection: close" in head
            assert json.loads(body)["code"] == "slow_client"
            assert word in json.loads(body)["detail"]


def test_a_slow_client_does_not_hold_up_the_end_and_is_told_503(bundle: Path) -> None:
    with serving(bundle, header_seconds=600, body_seconds=600) as server, slow_clients(server.port, 6) as clients:
        server.wait_for_metric("aisle_connections", 7)
        # What was sent before has been read once a later request is answered.
        assert server.score("red", ["good"]).status_code == 200
        server.terminate()
        assert server.exit_code() == 0
        for client in clients:
            client.look()
        # Those without headers have asked for nothing yet.
        assert [client.reply[:13] for client in clients] == [b"", b"HTTP/1.1 503 "] * 3
        assert b'"draining"' in clients[1].reply


def test_connections_past_the_limit_are_told_503_until_there_is_room(bundle: Path) -> None:
    with serving(bundle, max_connections=3) as server, ExitStack() as stack:
        server.wait_for_metric("aisle_connections", 1)
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(2)]
        refused = server.score("red", ["good"])
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_connections")
        assert server.metrics()["aisle_refused_total|too_many_connections"] == 1
        idle[0].close()
        server.wait_until(lambda: server.metrics()["aisle_connections"] < 3)
        assert server.score("red", ["good"]).status_code == 200


def test_what_is_no_request_is_refused_and_upgrades_are_not_made(bundle: Path) -> None:
    with serving(bundle) as server:
        upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        assert server.http.get("/score", headers={**upgrade, "sec-websocket-key": "eA=="}).status_code == 405
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as connection:
            connection.sendall(b"hello\r\n\r\n")
            reply = connection.makefile("rb").read()
        assert reply.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b'"malformed_request"' in reply


def test_a_limit_that_the_machine_does_not_allow_stops_the_start(bundle: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code, lines = failing_start(bundle, max_connections=hard)
    assert (code, len(lines)) == (1, 1)
    assert "AISLE_MAX_CONNECTIONS" in lines[0]
