"""Uvicorn's server, but for how it ends: what was accepted is answered first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from service.app import Service, create_app
from service.connection import ConnectionRules, connection_class
from service.signals import SIGNALS


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
