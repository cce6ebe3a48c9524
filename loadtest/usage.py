"""CPU time and memory of a running process: from /proc where it is ours to see, else from the service's `/metrics`."""

from __future__ import annotations

import http.client
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol, Self

EVERY_SECONDS = 0.5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
CPU_METRIC, MEMORY_METRIC = "process_cpu_seconds_total", "process_resident_memory_bytes"


class Usage(NamedTuple):
    """What a process has used of the CPU since it started (s), and holds of the memory now."""

    cpu_seconds: float
    resident_bytes: int


class UsageError(Exception):
    """There is nothing to be read: the process has ended, or the service does not tell."""


class UsageSource(Protocol):
    """Where usage is read from."""

    def read(self) -> Usage:
        """What it is now; UsageError if it cannot be had."""


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """A process of this machine, with those that it has started: the replicas of a service that has several."""

    pid: int

    def __str__(self) -> str:
        return "the service's process"

    def read(self) -> Usage:
        """From /proc."""
        every = [_of_process(self.pid), *map(_of_started, _children(self.pid))]
        return Usage(sum(one.cpu_seconds for one in every), sum(one.resident_bytes for one in every))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        # It has ended meanwhile, or the kernel was built without that file.
        return []


def _of_process(pid: int) -> Usage:
    folder = Path(f"/proc/{pid}")
    try:
        # The name before the last bracket may hold anything, blanks as well.
        numbers = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = (folder / "statm").read_text().split()[1]
    except OSError as error:
        raise UsageError(f"process {pid} cannot be read: {error.strerror}") from error
    state, user, system = numbers[0], numbers[11], numbers[12]
    if state in "ZX":
        raise UsageError(f"process {pid} has ended")
    return Usage((int(user) + int(system)) / TICKS, int(pages) * PAGE_BYTES)


def _of_started(pid: int) -> Usage:
    try:
        return _of_process(pid)
    except UsageError:
        # It has ended meanwhile.
        return Usage(0.0, 0)


@dataclass(frozen=True, slots=True)
class MetricsUsage:
    """A service that tells about its process on `/metrics`."""

    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return "the service's /metrics"

    def read(self) -> Usage:
        """From the two series that Prometheus clients share, added up where several replicas tell theirs."""
        values: dict[str, float] = {}
        try:
            for line in self._text().splitlines():
                if line.startswith((CPU_METRIC, MEMORY_METRIC)):
                    name, _, value = line.replace("{", " ").partition(" ")
                    values[name] = values.get(name, 0.0) + float(value.split()[-1])
            return Usage(values[CPU_METRIC], int(values[MEMORY_METRIC]))
        except (KeyError, ValueError, IndexError) as error:
            raise UsageError(f"/metrics does not tell {CPU_METRIC} and {MEMORY_METRIC}") from error

    def _text(self) -> str:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=5.0)
        try:
            connection.request("GET", "/metrics", headers=dict(self.headers))
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise UsageError(f"/metrics cannot be read: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise UsageError(f"/metrics answers {response.status}")
        return text


class Sampler:
    """Reads usage again and again in a thread, from entering to leaving it, and ends at the first error.

    `samples` are pairs of `time.monotonic` and usage; `problem` says why there are no more.
    """

    def __init__(self, source: UsageSource, every: float = EVERY_SECONDS) -> None:
        self.samples: list[tuple[float, Usage]] = []
        self.problem = ""
        self._source, self._every = source, every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while True:
                self.samples.append((time.monotonic(), self._source.read()))
                if self._over.wait(self._every):
                    return
        except UsageError as error:
            self.problem = str(error)
