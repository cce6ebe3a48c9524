"""From settings to a server that is ready, and to its exit code."""

from __future__ import annotations

import gc
import logging
import os
import sys

import service.environment  # noqa: F401  # before what reads the environment when it is imported
from relevance.bundle import BundleError
from service.address import check_address
from service.app import create_service
from service.draining_server import DrainingServer
from service.engine import load
from service.errors import StartupError
from service.logs import configure_logging
from service.open_files import connections_allowed
from service.settings import load_settings

COLLECTOR_THRESHOLDS = (10_000, 20, 20)
"""Python's own (700, 10, 10) look through the caches every few requests; almost nothing here is garbage in a cycle."""


def _spare_the_collector() -> None:
    """Have what start-up made never looked through for garbage, and the rest, most of it caches, more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


def run() -> int:
    """Run the service and end the process with it; returns the exit code of one that does not start."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level.upper())
        connections = connections_allowed(settings.max_connections)
        check_address(settings.host, settings.port)
        service = create_service(load(settings))
        _spare_the_collector()
        DrainingServer(service, connections).run()
    except (StartupError, BundleError) as error:
        print(f"aisle does not start: {error}", file=sys.stderr)
        return 1
    # Nothing is left to do, and Python would wait for every thread: for ever, where one hangs on a device or a disk.
    logging.shutdown()
    os._exit(0)
