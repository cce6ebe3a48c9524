"""The real process: `python -m service` on a free port of 127.0.0.1."""

from __future__ import annotations

import json
import os
import re
import signal
import string
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
RUNNING = re.compile(r"running on http://127\.0\.0\.1:(\d+)")
"""In the line that tells of an open port."""
SECONDS = 60.0
"""Longest wait for anything here; reached only when something is broken."""

MANY = 2500
"""Candidates of a body that takes a noticeable time where it is `SLOW`."""

SLOW = {"micro_batch_tokens": 1, "sessions": 1, "max_candidates": MANY, "queue_tokens": 1_000_000}
"""A pair is a micro-batch, and many such bodies have room in the queue."""


def titles(count: int, start: int = 0) -> list[str]:
    """So many titles of eight tokens, all different, for equal pairs are computed once."""
    return [
        " ".join(string.ascii_lowercase[number // 22**place % 22] for place in range(8))
        for number in range(start, start + count)
    ]


def command(directory: Path, module: str = "service", **settings: object) -> tuple[list[str], dict[str, str]]:
    """Command line and environment. Without measuring, unless a test asks: nothing is written beside the bundle."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    given = {f"AISLE_{name.upper()}": str(value) for name, value in settings.items()}
    environment = {**inherited, "AISLE_BUNDLE": str(directory), "AISLE_PORT": "0", "AISLE_AUTOTUNE": "false", **given}
    return [sys.executable, "-W", "error", "-m", module], environment


def failing_start(directory: Path, module: str = "service", **settings: object) -> tuple[int, list[str]]:
    """Exit code and lines of standard error of a process that is expected not to start."""
    arguments, environment = command(directory, module, **settings)
    ended = subprocess.run(
        arguments, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    return ended.returncode, ended.stderr.splitlines()


class ServerProcess:
    """A started server. `log` are the lines it has written so far."""

    def __init__(self, directory: Path, module: str = "service", **settings: object) -> None:
        arguments, environment = command(directory, module, **settings)
        self.log: list[str] = []
        self._process = subprocess.Popen(arguments, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        self._running = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._running.wait(SECONDS), self.log
        (self.port,) = [int(port) for line in self.log for port in RUNNING.findall(line)]
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=SECONDS)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                self.log.append(line)
                if RUNNING.search(line):
                    self._running.set()
        self._running.set()

    def score(self, query: str, candidates: list[Any], **fields: Any) -> httpx.Response:
        """`POST /score` on a connection of its own, so that threads do not share one."""
        with httpx.Client(base_url=self.http.base_url, timeout=SECONDS) as http:
            return http.post("/score", json={"query": query, "candidates": candidates, **fields})

    def metrics(self) -> dict[str, float]:
        """Every sample of `/metrics`, by name and labels."""
        families = text_string_to_metric_families(self.http.get("/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        return {
            sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value for sample in samples
        }

    def wait_for_metric(self, name: str, value: float) -> None:
        """Ask until the metric has at least this value."""
        self.wait_until(lambda: self.metrics().get(name, 0.0) >= value)

    def wait_until(self, happened: Callable[[], bool]) -> None:
        """Ask until it happened; fails where it does not."""
        deadline = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < deadline, self.log

    def terminate(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send SIGTERM, or another signal."""
        self._process.send_signal(number)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def runs_for(self, seconds: float) -> bool:
        """Whether it has not ended within so long."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return True
        return False

    def exit_code(self) -> int:
        """Wait for the end."""
        code = self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        return code

    def log_fields(self) -> list[dict[str, Any]]:
        """The log, parsed; fails where a line is no JSON object."""
        return [json.loads(line) for line in self.log]

    def close(self) -> None:
        """End it, however it fares."""
        self.http.close()
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(SECONDS)


@contextmanager
def serving(directory: Path, module: str = "service", **settings: object) -> Iterator[ServerProcess]:
    """A server of the bundle in `directory`; it is gone at the end."""
    server = ServerProcess(directory, module, **settings)
    try:
        yield server
    finally:
        server.close()
