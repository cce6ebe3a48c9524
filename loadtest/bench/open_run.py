"""What the loads in an open loop share: each system's capacity, and the same requests at the same times for all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle

from loadtest.arrivals import poisson_arrivals
from loadtest.bench.arena import Arena, Contestant, Pace
from loadtest.bench.rounds import interleaved
from loadtest.measured import median
from loadtest.open_loop import Plan, drive
from loadtest.outcomes import Outcome
from loadtest.workload import Body

CLIENTS = 8
"""Closed-loop clients that find a system's capacity."""

BODIES = 500
"""So many that no request meets itself in a queue."""


def capacities(contestants: Iterable[Contestant], bodies: Sequence[Body], pace: Pace) -> dict[str, float]:
    """Pairs per second of each system in a closed loop over `bodies`: medians of interleaved rounds."""
    ways = {}
    for contestant in contestants:
        calls = contestant.calls(bodies)
        contestant.drive(cycle(calls), CLIENTS, pace.warm_up_seconds)
        ways[contestant.name] = partial(contestant.drive, cycle(calls), CLIENTS, pace.seconds)
    measured = interleaved(ways, pace.rounds)
    return {name: median([one.pairs_per_second for one in own]) for name, own in measured.items()}


class OpenRun:
    """Sends the same bodies at the same times to whichever contestant, at whichever load."""

    def __init__(self, arena: Arena, bodies: Sequence[Body]) -> None:
        self._seed, self._seconds = arena.seed, arena.pace.open_seconds
        self._pairs = sum(len(body["candidates"]) for body in bodies) / len(bodies)
        self._calls = {contestant.name: contestant.calls(bodies) for contestant in arena.contestants}

    def at(self, contestant: Contestant, pairs_per_second: float) -> Callable[[], list[Outcome]]:
        """Runs one round at that offered load; each call is the next round, with arrivals of its own."""
        seeds = iter(range(self._seed, 2**31))
        return lambda: drive(self._plan(contestant, pairs_per_second / self._pairs, next(seeds)))

    def _plan(self, contestant: Contestant, rate: float, seed: int) -> Plan:
        # The first comes at once, so that a short round has one.
        arrivals = (0.0, *poisson_arrivals(rate, self._seconds, seed))
        return Plan(contestant.target, arrivals, self._calls[contestant.name])
