"""A stub in a process of its own, ready at once, that can end in the middle."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from loadtest.server import Launch, free_port
from tests.loadtest.stub_server import scores_of_titles

NEVER = 1_000_000
CODE = 3


def launch_stub(answers: int = NEVER) -> Launch:
    """A process that scores by the length of titles and ends, with code 3, instead of giving one answer more."""
    port = free_port()
    command = (sys.executable, "-m", "tests.loadtest.stub_process", str(port), str(answers))
    return Launch("stub", command, port, "/readyz")


def launch_aisle_stub(answers: int = NEVER) -> Callable[..., Launch]:
    """In the place of `launch_aisle`."""
    return lambda bundle, **settings: launch_stub(answers)


def _serve(port: int, answers: int) -> None:
    numbers, lock = count(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave together: apart, the second waits for the first's acknowledgement

        def do_GET(self) -> None:
            self._reply(200, b"{}")

        def do_POST(self) -> None:
            with lock:
                number = next(numbers)
            if number >= answers:
                print("out of answers", flush=True)
                os._exit(CODE)
            self._reply(*scores_of_titles(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, status: int, reply: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
