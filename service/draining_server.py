"""Uvicorn's server, but for how it ends: what was accepted is answered first."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import cast

import uvicorn

from service.address import listen
from service.app import Service, create_app
from service.connection import Connection, ConnectionRules, connection_class
from service.group.channel import Teller
from service.group.handed import HandedConnections, counted_class
from service.group.member import Member
from service.signals import ASKED_AGAIN, SIGNALS, exit_at_once

logger = logging.getLogger(__name__)

LAST_SECONDS = 5.0
"""How long the end may take once it was asked for a second time: what is told of others then, as to Redis or to a
collector of spans that are away, may be cut short."""


class DrainingServer(uvicorn.Server):
    """Keeps the port open while draining, so that probes and clients are told 503 and not refused."""

    def __init__(self, service: Service, connections: int) -> None:
        """`connections` may be open at a time."""
        super().__init__(_config(service, connections))
        self._service = service
        self._draining: asyncio.Task[None] | None = None
        self._giving_up: asyncio.Task[None] | None = None
        self._asked_to_end = False
        open_now = self.server_state.connections
        service.stages.metrics.watch("aisle_connections", "Open connections.", lambda: len(open_now))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, now that all is ready; SettingsError where that is not possible any more."""
        if self._service.member is not None:
            await self._join(self._service.member)
            return
        listening = sockets or listen(self.config.host, self.config.port, self.config.backlog)
        await super().startup(listening)
        # Of sockets that it was given uvicorn says nothing.
        self._log_started_message(listening)

    async def _join(self, member: Member) -> None:
        """Take connections of the parent's, and of the other replicas."""
        channel = member.take_channel()
        channel.setblocking(False)
        teller = Teller(channel)
        await super().startup([member.listen()])
        kind = counted_class(cast(type[Connection], self.config.http_protocol_class), teller)
        make = partial(
            kind, config=self.config, server_state=self.server_state, app_state=self.lifespan.state, _loop=None
        )
        HandedConnections(channel, teller, make, parent_gone=self._drain).start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Replaces uvicorn's handlers, which close the port at once and end with the signal's exit code."""
        loop = asyncio.get_running_loop()

        def heed(*_: object) -> None:
            # Here, and by another signal: the loop may be what hangs.
            if self._asked_to_end and not signal.getitimer(signal.ITIMER_REAL)[0]:
                signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)
            self._asked_to_end = True
            loop.call_soon_threadsafe(self._on_signal)

        def heed_once(*_: object) -> None:
            if not self._asked_to_end:
                heed()

        # Not by the loop's own means: a handler that it removes leaves a moment in which there is none.
        for number in SIGNALS:
            signal.signal(number, heed if self._service.member is None else heed_once)
        if self._service.member is not None:
            signal.signal(ASKED_AGAIN, heed)
        signal.signal(signal.SIGALRM, _exit_now)
        try:
            yield
        finally:
            if self.started:
                exit_at_once("after its last answer")
            else:
                exit_at_once()

    def _drain(self) -> None:
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain_and_exit())

    def _on_signal(self) -> None:
        if self._draining is None:
            self._drain()
        elif self._giving_up is None:
            # Once the accepted requests are told so, none is left to wait for, and the end takes its usual course.
            self._giving_up = asyncio.create_task(self._service.give_up())

    async def _drain_and_exit(self) -> None:
        await self._service.drain()
        self.should_exit = True


def _exit_now(*_: object) -> None:
    # A log that hangs may be what holds up the end.
    os.set_blocking(2, False)
    try:
        logger.warning("the end takes too long, the process exits now")
    finally:
        os._exit(0)


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
