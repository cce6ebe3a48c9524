"""How a request can fail without a reply, in words that a report can count."""

from __future__ import annotations

import errno

import aiohttp

NO_FILES = "no open files left"
NO_PORTS = "no local ports left"
OF_THE_SENDER = frozenset({NO_FILES, NO_PORTS})
"""What the sender's machine lacks, whatever the service does."""

NOT_REACHED = "not reached"
NOT_SCORES = "not scores"
"""A reply of status 200 that holds none."""

_BY_NUMBER = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EMFILE: NO_FILES,
    errno.ENFILE: NO_FILES,
    errno.EADDRNOTAVAIL: NO_PORTS,
}


def fault_of(error: aiohttp.ClientError | TimeoutError | UnicodeError) -> str:
    """The kind of failure that `error` is."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "closed"
    if isinstance(error, UnicodeError):
        return NOT_REACHED
    if isinstance(error, OSError):
        return _BY_NUMBER.get(error.errno or 0, NOT_REACHED)
    # A body that ends too early carries the cause of it.
    return "cut off" if isinstance(error, aiohttp.ClientPayloadError) else "not HTTP"
