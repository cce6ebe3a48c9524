"""`python -m service`: settings → bundle checked → backend warmed → port opened → ready.

Anything that fails before the port opens is told in one line, with exit code 1. SIGTERM or SIGINT
drains: not ready at once, accepted requests are answered, then exit code 0. A second one exits now, as does
one that comes before the port opens.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

import service.environment  # noqa: F401  # before what reads the environment when it is imported
from relevance.bundle import BundleError
from service.address import check_address
from service.app import Service, create_app, create_service
from service.connection import ConnectionRules, connection_class
from service.engine import load
from service.errors import StartupError
from service.logs import configure_logging
from service.open_files import connections_allowed
from service.settings import load_settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)

COLLECTOR_THRESHOLDS = (10_000, 20, 20)
"""Python's own (700, 10, 10) look through the caches every few requests; almost nothing here is garbage in a cycle."""


class DrainingServer(uvicorn.Server):
    """Keeps the port open while draining, so that probes and clients are told 503 and not refused."""

    def __init__(self, service: Service, connections: int) -> None:
        """`connections` may be open at a time."""
        super().__init__(_config(service, connections))
        self._service = service
        self._draining: asyncio.Task[None] | None = None
        open_now = self.server_state.connections
        service.stages.metrics.watch("aisle_connections", "Open connections.", lambda: len(open_now))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's handlers, which close the port at once and end with the signal's exit code."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal)
        yield
        for number in SIGNALS:
            loop.remove_signal_handler(number)

    def _on_signal(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain_and_exit())
        else:
            self.should_exit = self.force_exit = True

    async def _drain_and_exit(self) -> None:
        await self._service.drain()
        self.should_exit = True


def _config(service: Service, connections: int) -> uvicorn.Config:
    settings, refused = service.engine.settings, service.stages.metrics.refused
    rules = ConnectionRules(connections, settings.header_seconds, settings.body_seconds, refused)
    return uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        http=connection_class(rules),
        # There are none here, and an upgraded connection would be out of reach of the limits.
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=1,
    )


def _exit_at_once() -> None:
    """Until the port opens nobody waits for an answer. By itself a process whose id is 1, as in a container, would not
    even notice the signal, become ready, and be killed in the middle of its requests."""

    def end(number: int, _: object) -> None:
        print(f"aisle was ended before it was ready: {signal.Signals(number).name}", file=sys.stderr, flush=True)
        os._exit(0)

    for number in SIGNALS:
        signal.signal(number, end)


def _spare_the_collector() -> None:
    """Have what start-up made never looked through for garbage, and the rest, most of it caches, more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def main() -> int:
    """Run the service; returns the exit code."""
    _exit_at_once()
    try:
        settings = load_settings()
        configure_logging(settings.log_level.upper())
        connections = connections_allowed(settings.max_connections)
        check_address(settings.host, settings.port)
        service = create_service(load(settings))
    except (StartupError, BundleError) as error:
        print(f"aisle does not start: {error}", file=sys.stderr)
        return 1
    _spare_the_collector()
    DrainingServer(service, connections).run()
    if service.engine.backend.stuck:
        # Python would wait for the threads that hang, and so for ever.
        logging.shutdown()
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
