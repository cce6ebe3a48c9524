"""Whether the service can listen where its settings say, found out before a model is loaded."""

from __future__ import annotations

import errno
import socket

from service.errors import SettingsError
from service.settings import PREFIX

_ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What one address of a name may lack where another has it: a machine may be without IPv6."""


def check_address(host: str, port: int) -> None:
    """Bind each address of `host` and let go; SettingsError, naming the settings, if nothing could listen there."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as unknown:
        raise SettingsError(f"{PREFIX}HOST={host!r} is no address of this machine: {unknown}") from None
    failures = [failure for family, _, _, _, address in found if (failure := _bind(family, address)) is not None]
    fatal = [failure for failure in failures if failure.errno not in _ABSENT]
    if fatal or len(failures) == len(found):
        failure = (fatal or failures)[0]
        place = f"{PREFIX}HOST={host!r}, {PREFIX}PORT={port}"
        raise SettingsError(f"nothing can listen at {place}: {failure.strerror}; {_remedy(failure)}")


def _remedy(failure: OSError) -> str:
    if failure.errno in _ABSENT:
        return f"set {PREFIX}HOST to an address of this machine"
    if failure.errno == errno.EADDRINUSE:
        return f"stop what listens there, or set another {PREFIX}PORT"
    # Ports below 1024 are forbidden to most.
    return f"set another {PREFIX}PORT, from 1024 on"


def _bind(family: int, address: tuple[object, ...]) -> OSError | None:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server itself will: connections that are being closed do not hold a port.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None
