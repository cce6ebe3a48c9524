"""The service itself, from its settings to its end: one replica, by itself or in a group."""

from __future__ import annotations

import gc

from service.address import check_address
from service.app import create_service
from service.draining_server import DrainingServer
from service.engine import load
from service.group.member import member_of_group
from service.open_files import connections_allowed
from service.settings import Settings

COLLECTOR_THRESHOLDS = (10_000, 20, 20)
"""Python's own (700, 10, 10) look through the caches every few requests; almost nothing here is garbage in a cycle."""


def serve(settings: Settings) -> None:
    """Serve until a signal ends it; a StartupError or BundleError says why it does not start."""
    member = member_of_group()
    connections = connections_allowed(settings.max_connections)
    if member is None:
        check_address(settings.host, settings.port)
    service = create_service(load(settings), member)
    _spare_the_collector()
    DrainingServer(service, connections).run()


def _spare_the_collector() -> None:
    """Have what start-up made never looked through for garbage, and the rest, most of it caches, more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
