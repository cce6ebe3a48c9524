"""A service of our own for the length of a measurement: started on a free port, stopped at the end."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60.0
STOP_SECONDS = 30.0
HOST = "127.0.0.1"


@contextmanager
def running_service(bundle: Path) -> Iterator[tuple[str, int]]:
    """Yield (host, port) of a ready service; RuntimeError with its log if it does not get ready."""
    port = _free_port()
    # Settings of the shell, such as keys, are not meant for this service.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AISLE_")}
    environment = {**inherited, "AISLE_HOST": HOST, "AISLE_PORT": str(port), "AISLE_BUNDLE": str(bundle)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", "service"], env=environment, stdout=log, stderr=log)
        try:
            if not _wait_until_ready(process, port):
                log.seek(0)
                raise RuntimeError(f"the service did not start: {log.read().decode(errors='replace').strip()}")
            yield HOST, port
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            connection = http.client.HTTPConnection(HOST, port, timeout=1.0)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
