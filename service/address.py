"""Where the service listens: whether it can is found out before a model is loaded, and it does once all is ready."""

from __future__ import annotations

import errno
import socket

from service.errors import SettingsError
from service.settings import PREFIX

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What one address of a name may lack where another has it: a machine may be without IPv6."""


def check_address(host: str, port: int) -> None:
    """Bind each address of `host` and let go; SettingsError, naming the settings, if nothing could listen there."""
    for bound in _bind_all(host, port):
        bound.close()


def listen(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen at each address of `host`; SettingsError as of `check_address`, which may have been a while ago."""
    sockets = _bind_all(host, port)
    try:
        for bound in sockets:
            # Two may be bound to one port, but only one may listen there.
            bound.listen(backlog)
    except OSError as failure:
        _close(sockets)
        raise _nothing_can_listen(host, port, failure) from None
    return sockets


def _bind_all(host: str, port: int) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as unknown:
        raise SettingsError(f"{PREFIX}HOST={host!r} is no address of this machine: {unknown}") from None
    bound, failures = [], []
    # A name may be given the same address twice.
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
        try:
            bound.append(_bind(family, address))
        except OSError as failure:
            failures.append(failure)
    fatal = [failure for failure in failures if failure.errno not in _ABSENT]
    if fatal or not bound:
        _close(bound)
        raise _nothing_can_listen(host, port, (fatal or failures)[0])
    return bound


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def _nothing_can_listen(host: str, port: int, failure: OSError) -> SettingsError:
    place = f"{PREFIX}HOST={host!r}, {PREFIX}PORT={port}"
    return SettingsError(f"nothing can listen at {place}: {failure.strerror}; {_remedy(failure)}")


def _remedy(failure: OSError) -> str:
    if failure.errno in _ABSENT:
        return f"set {PREFIX}HOST to an address of this machine"
    if failure.errno == errno.EADDRINUSE:
        return f"stop what listens there, or set another {PREFIX}PORT"
    # Ports below 1024 are forbidden to most.
    return f"set another {PREFIX}PORT, from 1024 on"


def _bind(family: int, address: tuple[object, ...]) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections that are being closed do not hold a port.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
