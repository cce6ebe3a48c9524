"""Servers of our own for the length of a measurement: started on a free port, stopped at the end."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from loadtest.usage import ProcessUsage

START_SECONDS = 120.0
STOP_SECONDS = 30.0
LOG_TAIL_BYTES = 3000
HOST = "127.0.0.1"
CHOSEN_HERE = frozenset({"host", "port", "bundle"})
"""Settings of our own service that are not the caller's: readiness is asked, and requests go, where they say."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a server: its command, what it finds in its environment, and the path that says 200 when ready."""

    name: str
    command: tuple[str, ...]
    port: int
    ready_path: str
    environment: Mapping[str, str] = field(default_factory=dict)


class Server:
    """A started process."""

    def __init__(self, launch: Launch, process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
        self.name, self.host, self.port = launch.name, HOST, launch.port
        self._ready_path = launch.ready_path
        self._process = process
        self._log = log

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        """Return when it takes requests; RuntimeError with the end of its log if it ends, or takes longer."""
        deadline = time.monotonic() + seconds
        while not self._is_ready():
            if (code := self._process.poll()) is not None:
                raise RuntimeError(f"{self.name} ended with code {code} before it was ready: {self._log_tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} was not ready after {seconds:.0f} s: {self._log_tail()}")
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._process.pid

    def resident_bytes(self) -> int:
        """Memory that the process holds now; RuntimeError if it has ended."""
        if end := self.end():
            raise RuntimeError(end)
        return ProcessUsage(self.pid).read().resident_bytes

    def end(self, patience: float = 0.0) -> str:
        """How it ended, with the end of its log; empty if it still runs after so many seconds."""
        try:
            code = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            return ""
        return f"{self.name} has ended with code {code}: {self._log_tail()}"

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=1.0)
        try:
            connection.request("GET", self._ready_path)
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _log_tail(self) -> str:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - LOG_TAIL_BYTES))
        return self._log.read().decode(errors="replace").strip()


@contextmanager
def started(launch: Launch) -> Iterator[Server]:
    """Start a server, not yet ready; it is gone at the end. Several can be started before any is waited for."""
    # Settings of the shell, such as keys, are not meant for a server that is measured.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AISLE_", "INFINITY_"))}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            launch.command, env={**inherited, **launch.environment}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            yield Server(launch, process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def launch_aisle(bundle: Path, **settings: object) -> Launch:
    """The service on `bundle`; `settings` are those of `service.settings`."""
    port = free_port()
    given = {"host": HOST, "port": port, "bundle": bundle, **settings}
    environment = {f"AISLE_{name.upper()}": str(value) for name, value in given.items()}
    return Launch("aisle", (sys.executable, "-m", "service"), port, "/readyz", environment)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
