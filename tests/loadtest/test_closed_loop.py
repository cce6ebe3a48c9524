from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtest.closed_loop import drive


class Handler(BaseHTTPRequestHandler):
    """Answers 200 to a body of b"good", 429 to all else."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if body == b"good" else 429)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # Connections stay open between requests; their threads must not hold up the end of the test.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join()


def test_every_answer_is_timed(address: tuple[str, int]) -> None:
    result = drive(address, [b"good"], clients=3, seconds=0.2)
    assert result.requests == len(result.latencies) > 3
    assert result.seconds >= 0.2
    assert 0.0 < min(result.latencies) <= max(result.latencies) <= result.seconds


def test_a_refusal_is_no_throughput(address: tuple[str, int]) -> None:
    with pytest.raises(RuntimeError, match="status 429"):
        drive(address, [b"bad"], clients=2, seconds=5.0)


def test_a_service_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"the service at 127\.0\.0\.1:9 failed"):
        drive(("127.0.0.1", 9), [b"good"], clients=1, seconds=5.0)
