"""The service that a budget is held against: started for the run, or one that runs already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from loadtest.budget import Budget
from loadtest.routes import ROUTES
from loadtest.server import Server, launch_aisle, started
from loadtest.systems import AISLE, Target
from loadtest.usage import MetricsUsage, ProcessUsage, UsageSource

API_KEY = "LOADTEST_API_KEY"
DEFAULT_BUNDLE = Path("models/default")


class NotMeasuredError(Exception):
    """The service cannot be measured; says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service is: at a URL, with its process's id if known, or in a bundle that is still to be served."""

    host: str | None = None
    pid: int | None = None
    bundle: Path = DEFAULT_BUNDLE


@dataclass(frozen=True, slots=True)
class MeasuredService:
    """A service that takes requests."""

    target: Target
    usage: UsageSource
    headers: Mapping[str, str] = field(default_factory=dict)
    server: Server | None = None

    def end(self, patience: float = 0.0) -> str:
        """How it ended if it was started here; empty if it runs after so many seconds, or if that cannot be known."""
        return self.server.end(patience) if self.server else ""


@contextmanager
def service_at(place: Place, budget: Budget) -> Iterator[MeasuredService]:
    """The service for the length of a run; NotMeasuredError if its URL is wrong or it does not start."""
    if place.host is not None:
        yield _running(place.host, place.pid, budget)
        return
    with started(launch_aisle(place.bundle, **budget.service)) as server:
        try:
            server.wait_until_ready()
        except RuntimeError as error:
            raise NotMeasuredError(str(error)) from error
        target = Target(AISLE, server.host, server.port, _path(budget), budget.timeout_seconds)
        yield MeasuredService(target, ProcessUsage(server.pid), server=server)


def _path(budget: Budget) -> str:
    return ROUTES[budget.workload.route].path


def _running(url: str, pid: int | None, budget: Budget) -> MeasuredService:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise NotMeasuredError(f"{url!r} is no URL: {error}") from error
    if parts.scheme == "https":
        raise NotMeasuredError(f"{url!r}: https is not supported, give an http:// address behind what ends TLS")
    if parts.scheme != "http" or host is None or parts.query or parts.fragment:
        raise NotMeasuredError(f"{url!r} is no address like http://127.0.0.1:8080")
    host = f"[{host}]" if ":" in host else host
    key = os.environ.get(API_KEY)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    usage = MetricsUsage(host, port, headers) if pid is None else ProcessUsage(pid)
    target = Target(AISLE, host, port, parts.path.rstrip("/") + _path(budget), budget.timeout_seconds)
    return MeasuredService(target, usage, headers)
