"""split_…: a split student beside the same student's cross-encoders, full product JSON unless ids are named.

The peers and Aisle's cross-encoder run the bundle of `--bundle`, the split student that of `--split`. Scores are
never cached. `aisle` is the split student, `cross_encoder` Aisle without it, `raw` the joint graph driven directly.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, cycle
from pathlib import Path

from loadtest.bench.arena import Arena, Contestant, aisles
from loadtest.bench.closed_rows import Rounds, closed_rows, speeds_of
from loadtest.bench.result import RAW, LoadResult, counted
from loadtest.bench.rounds import interleaved
from loadtest.bench.split_arena import COLD, NO_SCORES, shop, write_catalogue
from loadtest.measured import Measured
from loadtest.raw_split import RawSplit
from loadtest.shop_workload import Shop
from loadtest.systems import AISLE, Call, System
from loadtest.workload import Body
from relevance.bundle import Bundle

CROSS_ENCODER = "cross_encoder"
BODIES, PRODUCTS = 64, 4_000
"""Requests that come again and again, and products that they are drawn from."""
ZIPF_PRODUCTS = 100_000
AHEAD = 500
"""Requests for each second of the Zipf load that are made before it: two fast cores have answered 250."""
AT_A_TIME = 100
"""Requests that are made at a time while it runs, if those are not enough."""

Ways = dict[str, Callable[[], Measured]]


@dataclass(frozen=True, slots=True)
class WarmLoad:
    """`clients` that each ask for `candidates` products which the catalogue holds, sent whole or as `ids`."""

    name: str
    candidates: int
    clients: int
    ids: bool = False
    others: bool = True

    def run(self, arena: Arena) -> LoadResult:
        """Measure everybody, and the joint graph, in turn."""
        split = split_of(arena)
        bodies = shop(self.candidates, PRODUCTS).bodies(BODIES)
        sent = as_ids(bodies) if self.ids else bodies
        raw = RawSplit(split, bodies).ceiling(arena.pace.trial_seconds)
        with tempfile.TemporaryDirectory() as folder:
            catalogue = write_catalogue(split, bodies, Path(folder))
            with aisles(split, {AISLE: {**NO_SCORES, "catalogue": catalogue}}) as made:
                ways: Ways = {RAW: partial(raw.measure, arena.pace.seconds)}
                ways |= self._ways(arena, {AISLE: (made[AISLE], sent), **_others(arena, bodies, self.others)})
                rounds = interleaved(ways, arena.pace.rounds)
        what = "ids" if self.ids else "full product JSON"
        title = f"{self.candidates} candidates, {counted(self.clients, 'client')}, {what}, catalogue warm"
        return result(self.name, title, rounds, {"raw_drive": str(raw)})

    def _ways(self, arena: Arena, entries: Mapping[str, tuple[Contestant, Sequence[Body]]]) -> Ways:
        ways: Ways = {}
        for name, (contestant, bodies) in entries.items():
            calls = contestant.calls(bodies)
            # Ours meets every product once, so that what is measured is the memory and not the file.
            contestant.drive(calls if name == AISLE else cycle(calls), self.clients, arena.pace.warm_up_seconds)
            ways[name] = partial(contestant.drive, cycle(calls), self.clients, arena.pace.seconds)
        return ways


def cold(arena: Arena) -> LoadResult:
    """No product is remembered: each is encoded for each request."""
    split, pace = split_of(arena), arena.pace
    bodies = shop(50, PRODUCTS).bodies(BODIES)
    with aisles(split, {AISLE: COLD}) as made:
        entries = {AISLE: (made[AISLE], bodies), **_others(arena, bodies)}
        ways: Ways = {}
        for name, (contestant, own) in entries.items():
            calls = contestant.calls(own)
            contestant.drive(cycle(calls), 8, pace.warm_up_seconds)
            ways[name] = partial(contestant.drive, cycle(calls), 8, pace.seconds)
        rounds = interleaved(ways, pace.rounds)
    return result("split_cold_c50x8", "50 candidates, 8 clients, nothing remembered", rounds, {})


def zipf(arena: Arena) -> LoadResult:
    """A service that has just started, and shoppers whose products are drawn by Zipf's law from a large catalogue."""
    split, seconds = split_of(arena), arena.pace.open_seconds
    stock = shop(50, ZIPF_PRODUCTS)
    with aisles(split, {AISLE: NO_SCORES}) as made:
        measured = _shopping(made[AISLE], stock, 5 * seconds)
        rounds = {AISLE: [measured]}
        for name, (contestant, _) in _others(arena, ()).items():
            rounds[name] = [_shopping(contestant, stock, seconds)]
    title = f"50 of {ZIPF_PRODUCTS:,} products by Zipf(1.0), 8 clients, from cold, {measured.seconds:.0f} s"
    return result("split_zipf", title, rounds, {"requests": len(measured.latencies)})


def _shopping(contestant: Contestant, stock: Shop, seconds: float) -> Measured:
    return contestant.drive(endless_calls(contestant.system, stock, round(AHEAD * seconds)), 8, seconds)


def endless_calls(system: System, stock: Shop, ahead: int) -> Iterator[Call]:
    """Days of a shop whose lists are all of one length, without end: queries and products repeat by their popularity.

    The first day has `ahead` requests, which are made before this returns. A query always finds the same products, so
    its request is made once, and there are no more in memory than the shop has queries.
    """
    made: dict[str, Call] = {}

    def call(body: Body) -> Call:
        query = body["query"]
        if query not in made:
            made[query] = system.call(body)
        return made[query]

    first = [call(body) for body in stock.bodies(ahead)]
    return chain(first, (call(body) for day in count(1) for body in stock.bodies(AT_A_TIME, day)))


def split_of(arena: Arena) -> Bundle:
    """The split student's bundle; RuntimeError if none was given."""
    if arena.split is None:
        raise RuntimeError("a split load needs the split student's bundle: give --split DIR")
    return arena.split


def result(name: str, title: str, rounds: Rounds, facts: dict[str, object]) -> LoadResult:
    """Pairs/s, ratios and latencies of everybody."""
    return LoadResult(name, title, closed_rows(rounds), {"rounds": speeds_of(rounds), **facts})


def _others(arena: Arena, bodies: Sequence[Body], wanted: bool = True) -> dict[str, tuple[Contestant, Sequence[Body]]]:
    if not wanted:
        return {}
    return {CROSS_ENCODER if one is arena.aisle else one.name: (one, bodies) for one in arena.contestants}


def as_ids(bodies: Sequence[Body]) -> list[Body]:
    """The same requests, their products named by the ids alone."""
    return [{**body, "candidates": [{"id": candidate["id"]} for candidate in body["candidates"]]} for body in bodies]


WARM_LOADS = (
    WarmLoad("split_warm_c50x8", 50, 8),
    WarmLoad("split_ids_c50x8", 50, 8, ids=True),
    WarmLoad("split_warm_c200x1", 200, 1, others=False),
)
SPLIT_LOADS: Mapping[str, Callable[[Arena], LoadResult]] = {
    **{load.name: load.run for load in WARM_LOADS},
    "split_cold_c50x8": cold,
    "split_zipf": zipf,
}
