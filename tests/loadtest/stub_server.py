"""A server in a thread of the test that answers as the test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loadtest.outcomes import Stages
from loadtest.systems import Target

STAGES = (0.5, 1.0, 2.0, 4.0)
"""Milliseconds that it claims in its headers: tokenize, queue, inference, total."""

Answer = Callable[[bytes], tuple[int, bytes]]
"""Body of a request → status and body of the reply; it may wait for what it likes."""


def ok(_: bytes) -> tuple[int, bytes]:
    """Answers everything."""
    return 200, b"{}"


def scores_of_titles(body: bytes) -> tuple[int, bytes]:
    """Answers as Aisle does: the longer a title, the better."""
    candidates = json.loads(body)["candidates"]
    titles = [one if isinstance(one, str) else one["title"] for one in candidates]
    order = sorted(range(len(titles)), key=lambda index: -len(titles[index]))
    results: list[dict[str, Any]] = [
        {"index": index, "score": title_score(title), "rank": order.index(index) + 1}
        for index, title in enumerate(titles)
    ]
    reply = {"results": results, "scored": len(titles), "total": len(titles), "degraded": False}
    return 200, json.dumps(reply).encode()


def ranked_texts(body: bytes) -> tuple[int, bytes]:
    """Answers as Aisle does to the clients of Text Embeddings Inference: the longer a text, the better."""
    texts = json.loads(body)["texts"]
    items = [{"index": index, "score": title_score(text)} for index, text in enumerate(texts)]
    return 200, json.dumps(sorted(items, key=lambda item: -item["score"])).encode()


def title_score(title: str) -> float:
    """Between 0 and 1."""
    return len(title) / 1000


@contextmanager
def stub(
    answer: Answer = ok,
    timeout: float = 30.0,
    seen: list[str | None] | None = None,
    pages: Mapping[str, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Target]:
    """A listening server; `answer` runs in one thread per connection.

    `seen` collects each request's authorisation; `pages` are what GET finds; `headers` go with each reply.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: apart, the second waits for the first's acknowledgement

        def do_POST(self) -> None:
            if seen is not None:
                seen.append(self.headers["Authorization"])
            status, reply = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            for stage, ms in zip(Stages._fields, STAGES, strict=True):
                self.send_header(f"x-aisle-{stage}-ms", str(ms))
            for header, value in (headers or {}).items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(reply)

        def do_GET(self) -> None:
            page = (pages or {}).get(self.path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        # Connections stay open between requests; their threads must not hold up the end of the test.
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Target("stub", "127.0.0.1", server.server_address[1], "/score", timeout)
        finally:
            server.shutdown()
            thread.join()


def url_of(target: Target) -> str:
    """As it is given to `--host`."""
    return f"http://{target.host}:{target.port}"


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
