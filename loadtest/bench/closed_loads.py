"""c50x8, c1x1, c10x4, c10x1: so many candidates a request, so many clients without think time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import cycle

from loadtest.bench.arena import BODIES, Arena
from loadtest.bench.closed_rows import Rounds, closed_rows, speeds_of
from loadtest.bench.result import RAW, LoadResult, counted
from loadtest.bench.rounds import interleaved
from loadtest.measured import median
from loadtest.systems import AISLE
from loadtest.workload import Workload


@dataclass(frozen=True, slots=True)
class ClosedLoad:
    """`clients` that each send `candidates` at a time."""

    candidates: int
    clients: int

    @property
    def name(self) -> str:
        """As it is called on the command line."""
        return f"c{self.candidates}x{self.clients}"

    @property
    def one_pair(self) -> bool:
        """Whether the graph has but one pair to run at any time."""
        return self.candidates == self.clients == 1

    def run(self, arena: Arena) -> LoadResult:
        """Measure everybody, and the raw graph, in turn."""
        pace = arena.pace
        trial = arena.raw.one_pair if self.one_pair else arena.raw.ceiling
        raw = trial(pace.trial_seconds)
        ways = {RAW: partial(raw.measure, pace.seconds)}
        bodies = Workload(arena.seed, self.candidates).bodies(BODIES)
        for contestant in arena.contestants:
            calls = contestant.calls(bodies)
            contestant.drive(cycle(calls), self.clients, pace.warm_up_seconds)
            ways[contestant.name] = partial(contestant.drive, cycle(calls), self.clients, pace.seconds)
        rounds = interleaved(ways, pace.rounds)
        load = f"{counted(self.candidates, 'candidate')}, {counted(self.clients, 'client')}"
        title = f"{load}, closed loop, median of {counted(pace.rounds, 'round')}"
        return LoadResult(self.name, title, closed_rows(rounds), self._facts(rounds, str(raw)))

    def _facts(self, rounds: Rounds, raw: str) -> dict[str, object]:
        facts: dict[str, object] = {"raw_drive": raw, "rounds": speeds_of(rounds)}
        if self.one_pair:
            facts["graph_ms"] = closed_rows(rounds)["p50_ms"][RAW]
            over = [
                ours.answered_quantile_ms(0.5) - graph.answered_quantile_ms(0.5)
                for ours, graph in zip(rounds[AISLE], rounds[RAW], strict=True)
            ]
            facts["aisle_p50_minus_graph_ms"] = median(over)
        return facts
