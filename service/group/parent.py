"""The parent: starts the replicas, one after the other, and hands each connection to one of them.

It serves as long as one replica does. One that ends is started again; what it was connected to is lost. Signals are
passed on: at the first the replicas drain, and go on getting connections, so that who comes now is told 503.
"""

from __future__ import annotations

import logging
import secrets
import selectors
import signal
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.address import check_address, listen
from service.cores import usable_cores
from service.errors import SettingsError
from service.group.channel import CLOSED, READY, events, hand_over
from service.group.replica import Replica, by_connections, rest_after, start_replica
from service.settings import PREFIX, Settings
from service.signals import ASKED_AGAIN, SIGNALS

logger = logging.getLogger(__name__)

BACKLOG = 2048
"""Connections that wait to be accepted; uvicorn's own number."""


@dataclass(slots=True)
class Restart:
    """A replica that is to be started again, at a time of the clock."""

    number: int
    due: float


def run_group(settings: Settings) -> int:
    """Serve until asked to end; the exit code. SettingsError where that many replicas cannot be."""
    cores = usable_cores(settings.cores)
    if settings.replicas > cores:
        raise SettingsError(
            f"{PREFIX}REPLICAS ({settings.replicas}) are more than the cores that this process may use ({cores}); "
            "give it more of them, or start fewer replicas"
        )
    check_address(settings.host, settings.port)
    return Parent(settings, cores).run()


def _url(listening: socket.socket) -> str:
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@dataclass(slots=True)
class Parent:
    """All that happens, one thing after the other: signals, connections, and what the replicas tell."""

    settings: Settings
    cores: int
    replicas: list[Replica] = field(default_factory=list)
    _group: str = field(default_factory=secrets.token_hex)
    _selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    _listening: Sequence[socket.socket] = ()
    _accepting: bool = False
    _waiting: socket.socket | None = None
    """A connection that was accepted and that no replica can take yet."""
    _restarts: list[Restart] = field(default_factory=list)
    _failures: dict[int, int] = field(default_factory=dict)
    _ending: bool = False
    _exit_code: int = 0

    def run(self) -> int:
        """Return the exit code once all replicas are gone."""
        self._heed_signals()
        self._start(0)
        while self.replicas or not self._ending:
            for key, _ in self._selector.select(self._until_restart()):
                key.data()
            self._start_again()
        return self._exit_code

    def _heed_signals(self) -> None:
        heard, wake = socket.socketpair()
        for end in (heard, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

        def pass_on() -> None:
            for number in heard.recv(64):
                self._end(signal.Signals(number))
            # The pair lives as long as this handler.
            assert wake.fileno() >= 0

        self._on(heard, pass_on)

    def _on(self, readable: socket.socket, then: Callable[[], None]) -> None:
        self._selector.register(readable, selectors.EVENT_READ, then)

    def _end(self, number: signal.Signals) -> None:
        passed_on = ASKED_AGAIN if self._ending else number
        self._ending = True
        self._restarts.clear()
        for replica in self.replicas:
            replica.process.send_signal(passed_on)

    def _start(self, number: int) -> None:
        replica = start_replica(number, self.settings, self.cores, self._group)
        self.replicas.append(replica)
        self._on(replica.channel, lambda: self._hear(replica))

    def _hear(self, replica: Replica) -> None:
        told = events(replica.channel)
        if told is None:
            self._gone(replica)
            return
        replica.connections -= told[CLOSED]
        if told[READY]:
            replica.ready = True
            self._failures.pop(replica.member.number, None)
            self._next_is_due()
        if self._waiting is not None:
            self._place(self._waiting)

    def _next_is_due(self) -> None:
        """The next replica once one is ready, so that each is tuned by itself; then the port."""
        if not self._listening and len(self.replicas) < self.settings.replicas:
            if not self._ending:
                self._start(len(self.replicas))
            return
        if not self._listening:
            self._listening = listen(self.settings.host, self.settings.port, BACKLOG)
            for one in self._listening:
                one.setblocking(False)
            logger.info("%d replicas running on %s", len(self.replicas), ", ".join(map(_url, self._listening)))
            self._accept_connections(True)

    def _accept_connections(self, wanted: bool) -> None:
        if wanted == self._accepting:
            return
        for one in self._listening:
            if wanted:
                self._on(one, lambda one=one: self._accept(one))  # type: ignore[misc]  # bound at once
            else:
                self._selector.unregister(one)
        self._accepting = wanted

    def _accept(self, listening: socket.socket) -> None:
        if self._waiting is not None:
            # Of two addresses that had one each the other's was first, and waits.
            return
        try:
            connection, _ = listening.accept()
        except OSError:
            # It was given up before it was accepted.
            return
        self._place(connection)

    def _place(self, connection: socket.socket) -> None:
        """Hand it over. Where none is ready, or every channel is full, it waits, and those after it in the backlog."""
        placed = self._hand_over(connection)
        if placed:
            connection.close()
        self._waiting = None if placed else connection
        self._accept_connections(placed)
        for replica in self.replicas:
            room = selectors.EVENT_WRITE if replica.ready and not placed else 0
            key = self._selector.get_key(replica.channel)
            if key.events != selectors.EVENT_READ | room:
                self._selector.modify(replica.channel, selectors.EVENT_READ | room, key.data)

    def _hand_over(self, connection: socket.socket) -> bool:
        for replica in by_connections(self.replicas):
            if hand_over(replica.channel, connection):
                replica.connections += 1
                return True
        return False

    def _gone(self, replica: Replica) -> None:
        self._selector.unregister(replica.channel)
        self.replicas.remove(replica)
        code = replica.exit_code()
        if self._ending:
            return
        number = replica.member.number
        fields = {"replica": number, "code": code}
        if not self._listening:
            if code < 0:
                # Otherwise it has told why.
                logger.error("a replica was killed before it was ready", extra={"fields": fields})
            self._exit_code = max(code, 1)
            self._end(signal.SIGTERM)
            return
        failures = self._failures[number] = self._failures.get(number, -1) + 1
        rest = rest_after(failures)
        logger.error("a replica has ended", extra={"fields": fields | {"again_in": rest}})
        self._restarts.append(Restart(number, time.monotonic() + rest))

    def _until_restart(self) -> float | None:
        due = min((one.due for one in self._restarts), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def _start_again(self) -> None:
        now = time.monotonic()
        for restart in [one for one in self._restarts if one.due <= now]:
            self._restarts.remove(restart)
            self._start(restart.number)
