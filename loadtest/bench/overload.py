"""overload: twice what Aisle can do. An answer counts if all of it is scored and it is there within the deadline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle

import numpy as np

from loadtest.bench.arena import Arena, Contestant
from loadtest.bench.open_run import BODIES, CLIENTS, OpenRun, capacities, lag_ms
from loadtest.bench.result import LoadResult, Row
from loadtest.bench.rounds import interleaved
from loadtest.measured import Measured, median, quantile_ms
from loadtest.open_loop import Outcome
from loadtest.workload import Workload

TIMES_CAPACITY = 2.0
CANDIDATES = 50
DEADLINE_MS = 200

Rounds = Sequence[Sequence[Outcome]]


def overload(arena: Arena) -> LoadResult:
    """Aisle is told the deadline; the peers know of none, and are sent the same requests at the same times."""
    bodies = [body | {"deadline_ms": DEADLINE_MS} for body in Workload(arena.seed, CANDIDATES).bodies(BODIES)]
    without_deadline = Workload(arena.seed, CANDIDATES).bodies(BODIES)
    offered = TIMES_CAPACITY * capacities(arena, without_deadline)[arena.aisle.name]
    before = _resident(arena)
    run = OpenRun(arena, bodies)
    ways = {one.name: run.at(one, offered) for one in arena.contestants}
    calls = cycle(arena.aisle.calls(without_deadline))
    closed = partial(arena.aisle.drive, calls, CLIENTS, arena.pace.seconds)
    speeds: list[Measured] = []
    # Its capacity is measured again beside each round: goodput is a share of what the machine gives then.
    ways[arena.aisle.name] = _after(lambda: speeds.append(closed()), ways[arena.aisle.name])
    outcomes = interleaved(ways, arena.pace.rounds)
    grown = {name: round((after - before[name]) / 1e6, 1) for name, after in _resident(arena).items()}
    capacity = [measured.pairs_per_second for measured in speeds]
    facts = {
        "deadline_ms": DEADLINE_MS,
        "offered_pairs_per_s": round(offered),
        "capacity_pairs_per_s": median(capacity),
    }
    title = f"{CANDIDATES} candidates, open loop at {offered:,.0f} pairs/s, 2 x Aisle's capacity, {DEADLINE_MS} ms"
    rows = _rows(arena.contestants, outcomes, capacity) | {"resident_growth_mb": grown}
    return LoadResult("overload", title, rows, facts)


def _after(first: Callable[[], None], then: Callable[[], list[Outcome]]) -> Callable[[], list[Outcome]]:
    def both() -> list[Outcome]:
        first()
        return then()

    return both


def _resident(arena: Arena) -> dict[str, int]:
    return {contestant.name: contestant.server.resident_bytes() for contestant in arena.contestants}


def _rows(
    contestants: Sequence[Contestant], rounds: dict[str, list[list[Outcome]]], capacity: list[float]
) -> dict[str, Row]:
    columns = {one.name: _figures(one, rounds[one.name], capacity) for one in contestants}
    names = list(columns[contestants[0].name])
    return {name: {system: figures[name] for system, figures in columns.items()} for name in names}


def _figures(contestant: Contestant, rounds: Rounds, capacity: Sequence[float]) -> dict[str, float | None]:
    goodput = [goodput_pairs_per_s(outcomes, contestant) for outcomes in rounds]
    pooled = [outcome for outcomes in rounds for outcome in outcomes]
    answered = [outcome for outcome in pooled if outcome.answered]
    partly = sum(_scored(contestant, outcome) < outcome.pairs for outcome in answered)
    refused = sum(outcome.status in (429, 503, 504) for outcome in pooled)
    return {
        "goodput_to_aisles_capacity": round(float(np.median(np.asarray(goodput) / np.asarray(capacity))), 3),
        "goodput_pairs_per_s": median(goodput),
        "answered_p99_ms": quantile_ms([outcome.latency for outcome in answered], 0.99),
        "answered_share": round(len(answered) / len(pooled), 3),
        "refused_share": round(refused / len(pooled), 3),
        "degraded_share": round(partly / len(pooled), 3),
        "sender_lag_p99_ms": lag_ms(pooled),
    }


def goodput_pairs_per_s(outcomes: Sequence[Outcome], contestant: Contestant) -> float:
    """Pairs per second of answers that are whole, and in within the deadline from when they were meant to be sent."""
    good = [one for one in outcomes if one.latency <= DEADLINE_MS / 1000 and _scored(contestant, one) == one.pairs]
    # Until the last reply, which may be after the last request was sent.
    last = max([outcomes[-1].meant, *(outcome.done for outcome in good)])
    return sum(outcome.pairs for outcome in good) / last


def _scored(contestant: Contestant, outcome: Outcome) -> int:
    if not outcome.answered:
        return 0
    return sum(score is not None for score in contestant.system.scores(outcome.reply))
