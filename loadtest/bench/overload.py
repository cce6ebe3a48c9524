"""overload: twice what Aisle can do. An answer counts if all of it is scored and it is there within the deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle

from loadtest.bench.arena import Arena
from loadtest.bench.open_run import BODIES, CLIENTS, OpenRun, capacities
from loadtest.bench.result import LoadResult, Row
from loadtest.bench.rounds import interleaved
from loadtest.measured import Measured, median, median_ratio, quantile_ms
from loadtest.outcomes import Outcome, lag_ms
from loadtest.systems import AISLE, System
from loadtest.workload import Workload

TIMES_CAPACITY = 2.0
CANDIDATES = 50
DEADLINE_MS = 200

REFUSALS = (429, 503, 504)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one system: its pairs per second in a closed loop just before, and what became of the overload."""

    capacity: float
    outcomes: list[Outcome]


def overload(arena: Arena) -> LoadResult:
    """Aisle is told the deadline; the peers know of none, and are sent the same requests at the same times."""
    plain = Workload(arena.seed, CANDIDATES).bodies(BODIES)
    offered = TIMES_CAPACITY * capacities([arena.aisle], plain, arena.pace)[arena.aisle.name]
    run = OpenRun(arena, [body | {"deadline_ms": DEADLINE_MS} for body in plain])
    before = _resident(arena)
    ways = {}
    for one in arena.contestants:
        closed = partial(one.drive, cycle(one.calls(plain)), CLIENTS, arena.pace.seconds)
        ways[one.name] = partial(_round, closed, run.at(one, offered))
    rounds = interleaved(ways, arena.pace.rounds)
    grown = {name: round((after - before[name]) / 1e6, 1) for name, after in _resident(arena).items()}
    title = f"{CANDIDATES} candidates, open loop at {offered:,.0f} pairs/s, 2 x Aisle's capacity, {DEADLINE_MS} ms"
    facts = {"deadline_ms": DEADLINE_MS, "offered_pairs_per_s": round(offered)}
    return LoadResult("overload", title, _rows(arena, rounds) | {"resident_growth_mb": grown}, facts)


def _round(closed: Callable[[], Measured], overloaded: Callable[[], list[Outcome]]) -> Round:
    return Round(closed().pairs_per_second, overloaded())


def _resident(arena: Arena) -> dict[str, int]:
    return {contestant.name: contestant.server.resident_bytes() for contestant in arena.contestants}


def _rows(arena: Arena, rounds: Mapping[str, Sequence[Round]]) -> dict[str, Row]:
    goodput = {
        one.name: [goodput_pairs_per_s(each.outcomes, one.system, arena.pace.open_seconds) for each in rounds[one.name]]
        for one in arena.contestants
    }
    capacity = {name: [each.capacity for each in own] for name, own in rounds.items()}
    shares = {one.name: _shares(rounds[one.name], one.system) for one in arena.contestants}
    ratios = {name: median_ratio(own, capacity[AISLE]) for name, own in goodput.items()}
    return {
        "goodput_to_aisles_capacity": ratios,
        "goodput_pairs_per_s": {name: median(own) for name, own in goodput.items()},
        "capacity_pairs_per_s": {name: median(own) for name, own in capacity.items()},
        **{figure: {name: own[figure] for name, own in shares.items()} for figure in shares[AISLE]},
    }


def _shares(rounds: Sequence[Round], system: System) -> dict[str, float | None]:
    """How the requests of all rounds fared."""
    pooled = [outcome for each in rounds for outcome in each.outcomes]
    answered = [outcome for outcome in pooled if outcome.answered]
    partly = sum(scored_pairs(system, outcome) < outcome.pairs for outcome in answered)
    refused = sum(outcome.status in REFUSALS for outcome in pooled)
    return {
        "answered_p99_ms": quantile_ms([outcome.latency for outcome in answered], 0.99),
        "answered_share": round(len(answered) / len(pooled), 3),
        "refused_share": round(refused / len(pooled), 3),
        "degraded_share": round(partly / len(pooled), 3),
        "sender_lag_p99_ms": lag_ms(pooled),
    }


def goodput_pairs_per_s(outcomes: Sequence[Outcome], system: System, seconds: float) -> float:
    """Pairs per second of answers that are whole, and in within the deadline from when they were meant to be sent.

    `seconds` is how long requests were sent; the last answers come after that, and their time counts.
    """
    good = [one for one in outcomes if one.latency <= DEADLINE_MS / 1000 and scored_pairs(system, one) == one.pairs]
    until = max([seconds, *(outcome.done for outcome in good)])
    return sum(outcome.pairs for outcome in good) / until


def scored_pairs(system: System, outcome: Outcome) -> int:
    """Pairs of an answer that have a score."""
    if not outcome.answered:
        return 0
    return sum(score is not None for score in system.scores(outcome.reply))
