"""How many connections the process can hold: each takes one of its open files."""

from __future__ import annotations

import logging
import resource

from service.errors import SettingsError

logger = logging.getLogger(__name__)

DEFAULT_CONNECTIONS = 10_000
RESERVED_FILES = 128
"""For everything else: the bundle, the log, the listening socket, connections that are being refused."""


def connections_allowed(asked: int | None) -> int:
    """How many connections may be open, `asked` or the default; raises the soft limit of open files as far as needed.

    The hard limit bounds the default; SettingsError where it does not allow what was asked.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (asked or DEFAULT_CONNECTIONS) + RESERVED_FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if (asked and files < wanted) or files <= RESERVED_FILES:
        raise SettingsError(
            f"AISLE_MAX_CONNECTIONS ({asked or DEFAULT_CONNECTIONS}) and {RESERVED_FILES} files more exceed the {hard} "
            f"files that this process may open (ulimit -Hn); lower the one or raise the other"
        )
    if files < wanted:
        logger.warning("open files bound the connections", extra={"fields": {"connections": files - RESERVED_FILES}})
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return files - RESERVED_FILES
