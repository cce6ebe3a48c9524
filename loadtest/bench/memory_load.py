"""memory: does the service hold more after many requests of random sizes than after a few?"""

from __future__ import annotations

import math
from itertools import cycle, islice

from loadtest.bench.arena import NO_CACHES, Arena, aisles
from loadtest.bench.result import LoadResult
from loadtest.workload import random_sizes

CLIENTS = 8
DISTINCT = 1000
WARM_UP_SHARE = 0.05
"""Of the requests that come after: what is allocated once is there by then."""


def memory(arena: Arena) -> LoadResult:
    """A fresh service; the size of its resident memory before, after a warm-up, and at the end."""
    requests = arena.pace.memory_requests
    warm_up = math.ceil(WARM_UP_SHARE * requests)
    with aisles(arena.bundle, {"aisle": NO_CACHES}) as services:
        service = services["aisle"]
        started = service.server.resident_bytes()
        calls = cycle(service.calls(random_sizes(arena.seed, DISTINCT)))
        service.drive(islice(calls, warm_up), CLIENTS, math.inf)
        before = service.server.resident_bytes()
        service.drive(islice(calls, requests), CLIENTS, math.inf)
        after = service.server.resident_bytes()
    row = {"at_start": _mb(started), "before": _mb(before), "after": _mb(after), "growth": _mb(after - before)}
    title = f"{requests:,} requests of 1 to 100 candidates, {CLIENTS} clients, {warm_up:,} before them"
    return LoadResult("memory", title, {"resident_mb": row}, {"requests": requests, "warm_up": warm_up})


def _mb(count: int) -> float:
    return round(count / 1e6, 1)
