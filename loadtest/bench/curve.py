"""Latency against offered load: how far each system goes before its queue does not end."""

from __future__ import annotations

from dataclasses import dataclass

from loadtest.bench.arena import Arena, Contestant
from loadtest.bench.open_run import BODIES, OpenRun, capacities
from loadtest.measured import significant
from loadtest.outcomes import latency_ms
from loadtest.workload import Workload

CANDIDATES = 50
STEPS = (0.1, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1)
"""Offered load over Aisle's capacity: the same loads for all."""

HOPELESS_MS = 5000.0
"""A system whose p99 is above this is not asked for more."""


@dataclass(frozen=True, slots=True)
class Point:
    """Latencies (ms) at an offered load; None: more requests than that quantile allows got no answer."""

    pairs_per_s: float
    p50_ms: float | None
    p99_ms: float | None


Curve = dict[str, list[Point]]


def latency_curve(arena: Arena) -> Curve:
    """Points of each system, in order of the load; systems take turns at each load."""
    bodies = Workload(arena.seed, CANDIDATES).bodies(BODIES)
    run, capacity = OpenRun(arena, bodies), capacities([arena.aisle], bodies, arena.pace)[arena.aisle.name]
    points: Curve = {contestant.name: [] for contestant in arena.contestants}
    for step in STEPS:
        for contestant in arena.contestants:
            if not _hopeless(points[contestant.name]):
                points[contestant.name].append(_point(run, contestant, step * capacity))
    return points


def _point(run: OpenRun, contestant: Contestant, offered: float) -> Point:
    outcomes = run.at(contestant, offered)()
    return Point(significant(offered), latency_ms(outcomes, 0.5), latency_ms(outcomes, 0.99))


def _hopeless(points: list[Point]) -> bool:
    return bool(points) and (points[-1].p99_ms is None or points[-1].p99_ms > HOPELESS_MS)
