"""A server in a thread of the test that answers as the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loadtest.systems import Target

Answer = Callable[[bytes], tuple[int, bytes]]
"""Body of a request → status and body of the reply; it may wait for what it likes."""


def ok(_: bytes) -> tuple[int, bytes]:
    """Answers everything."""
    return 200, b"{}"


def scores_of_titles(body: bytes) -> tuple[int, bytes]:
    """Answers as Aisle does: the longer a title, the better."""
    titles = [candidate["title"] for candidate in json.loads(body)["candidates"]]
    order = sorted(range(len(titles)), key=lambda index: -len(titles[index]))
    results: list[dict[str, Any]] = [
        {"index": index, "score": title_score(title), "rank": order.index(index) + 1}
        for index, title in enumerate(titles)
    ]
    return 200, json.dumps({"results": results, "scored": len(titles), "total": len(titles)}).encode()


def title_score(title: str) -> float:
    """Between 0 and 1."""
    return len(title) / 1000


@contextmanager
def stub(answer: Answer = ok, name: str = "stub", timeout: float = 30.0) -> Iterator[Target]:
    """A listening server; `answer` runs in one thread per connection."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, reply = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # Connections stay open between requests; their threads must not hold up the end of the test.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Target(name, "127.0.0.1", server.server_address[1], "/score", timeout)
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def hanging() -> Iterator[Target]:
    """A server that takes requests and never answers, until the test is over."""
    over = threading.Event()

    def answer(_: bytes) -> tuple[int, bytes]:
        over.wait()
        return 503, b""

    with stub(answer, timeout=0.1) as target:
        try:
            yield target
        finally:
            over.set()


NOBODY = Target("stub", "127.0.0.1", 9, "/score", 5.0)
"""Port 9 is the discard service's, which no machine of this century runs."""
