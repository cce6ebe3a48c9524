"""memory, memory_split: does the service hold more after many requests of random sizes than after a few?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import cycle, islice

from loadtest.bench.arena import NO_CACHES, Arena, aisles
from loadtest.bench.result import LoadResult
from loadtest.bench.split_arena import COLD
from loadtest.bench.split_loads import split_of
from loadtest.workload import random_sizes
from relevance.bundle import Bundle

CLIENTS = 8
DISTINCT = 1000
WARM_UP_SHARE = 0.05
"""Of the requests that come after: what is allocated once is there by then."""
SMALL_CACHES = dict.fromkeys(COLD, 8)
"""Megabytes that the warm-up fills, so that every later request puts something out: a leak there would show."""


def memory(arena: Arena) -> LoadResult:
    """The cross-encoder, without caches."""
    return _growth("memory", arena, arena.bundle, NO_CACHES)


def memory_split(arena: Arena) -> LoadResult:
    """The split student, with caches that are full from the warm-up on."""
    return _growth("memory_split", arena, split_of(arena), SMALL_CACHES)


def _growth(name: str, arena: Arena, bundle: Bundle, settings: Mapping[str, object]) -> LoadResult:
    """A fresh service; the size of its resident memory before, after a warm-up, and at the end."""
    requests = arena.pace.memory_requests
    warm_up = math.ceil(WARM_UP_SHARE * requests)
    with aisles(bundle, {"aisle": settings}) as services:
        service = services["aisle"]
        started = service.server.resident_bytes()
        calls = cycle(service.calls(random_sizes(arena.seed, DISTINCT)))
        service.drive(islice(calls, warm_up), CLIENTS, math.inf)
        before = service.server.resident_bytes()
        service.drive(islice(calls, requests), CLIENTS, math.inf)
        after = service.server.resident_bytes()
    row = {"at_start": _mb(started), "before": _mb(before), "after": _mb(after), "growth": _mb(after - before)}
    title = f"{requests:,} requests of 1 to 100 candidates, {CLIENTS} clients, {warm_up:,} before them"
    return LoadResult(name, title, {"resident_mb": row}, {"requests": requests, "warm_up": warm_up})


def _mb(count: int) -> float:
    return round(count / 1e6, 1)
