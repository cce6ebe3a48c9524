"""mixed: nine small requests to a large one, in an open loop: who makes the small wait for the large?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from loadtest.bench.arena import Arena
from loadtest.bench.open_run import BODIES, OpenRun, capacities
from loadtest.bench.result import LoadResult, Row
from loadtest.bench.rounds import interleaved
from loadtest.measured import significant
from loadtest.outcomes import Outcome, lag_ms, latency_ms
from loadtest.systems import AISLE
from loadtest.workload import LARGE, SMALL, mixed_bodies

OF_CAPACITY = 0.7

Pooled = Mapping[str, Sequence[Outcome]]


def mixed(arena: Arena) -> LoadResult:
    """All at 70 % of the slowest system's capacity, and each at 70 % of its own."""
    bodies = mixed_bodies(arena.seed, BODIES)
    capacity = capacities(arena.contestants, bodies, arena.pace)
    run, slowest = OpenRun(arena, bodies), min(capacity.values())
    offered = OF_CAPACITY * slowest
    everybody = {one.name: run.at(one, offered) for one in arena.contestants}
    at_common = _pooled(interleaved(everybody, arena.pace.rounds))
    faster = [one for one in arena.contestants if capacity[one.name] > slowest]
    own = {one.name: run.at(one, OF_CAPACITY * capacity[one.name]) for one in faster}
    at_own = at_common | _pooled(interleaved(own, arena.pace.rounds))
    facts = {
        "offered_pairs_per_s": significant(offered),
        "small_requests": {name: len(_of(SMALL, outcomes)) for name, outcomes in at_common.items()},
        "large_requests": {name: len(_of(LARGE, outcomes)) for name, outcomes in at_common.items()},
    }
    title = f"90 % of {SMALL}, 10 % of {LARGE} candidates, open loop at {offered:,.0f} pairs/s"
    return LoadResult("mixed", title, _rows(at_common, at_own, capacity), facts)


def _rows(at_common: Pooled, at_own: Pooled, capacity: Row) -> dict[str, Row]:
    small_p99 = _latency(SMALL, at_common, 0.99)
    return {
        "small_p99_ms": small_p99,
        "aisle_to_this": _ratios(small_p99),
        "small_p50_ms": _latency(SMALL, at_common, 0.5),
        "large_p99_ms": _latency(LARGE, at_common, 0.99),
        "not_answered": _not_answered(at_common),
        "sender_lag_p99_ms": {name: lag_ms(outcomes) for name, outcomes in at_common.items()},
        "capacity_pairs_per_s": capacity,
        "small_p99_ms_at_70_percent_of_own": _latency(SMALL, at_own, 0.99),
        "not_answered_at_70_percent_of_own": _not_answered(at_own),
    }


def _pooled(rounds: Mapping[str, Sequence[Sequence[Outcome]]]) -> dict[str, list[Outcome]]:
    return {name: [outcome for outcomes in own for outcome in outcomes] for name, own in rounds.items()}


def _of(pairs: int, outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.pairs == pairs]


def _latency(pairs: int, pooled: Pooled, quantile: float) -> Row:
    return {name: latency_ms(_of(pairs, outcomes), quantile) for name, outcomes in pooled.items()}


def _not_answered(pooled: Pooled) -> Row:
    return {name: sum(not outcome.answered for outcome in outcomes) for name, outcomes in pooled.items()}


def _ratios(row: Row) -> Row:
    ours = row[AISLE]
    return {name: round(ours / own, 3) if ours and own else None for name, own in row.items() if name != AISLE}
