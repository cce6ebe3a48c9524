"""c50x8, c1x1, c10x4, c10x1: so many candidates a request, so many clients without think time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import cycle

from loadtest.bench.arena import BODIES, Arena
from loadtest.bench.result import RAW, LoadResult
from loadtest.bench.rounds import interleaved
from loadtest.measured import Measured, median, median_ratio, quantile_ms
from loadtest.systems import AISLE
from loadtest.workload import Workload

Rounds = dict[str, list[Measured]]


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
        title = f"{self.candidates} candidates, {self.clients} clients, closed loop, median of {pace.rounds} rounds"
        return LoadResult(self.name, title, _rows(rounds), self._facts(rounds, str(raw)))

    def _facts(self, rounds: Rounds, raw: str) -> dict[str, object]:
        facts: dict[str, object] = {"raw_drive": raw, "rounds": {name: _speeds(own) for name, own in rounds.items()}}
        if self.one_pair:
            facts["graph_ms"] = _quantile(rounds[RAW], 0.5)
            over = [_p50(ours) - _p50(graph) for ours, graph in zip(rounds[AISLE], rounds[RAW], strict=True)]
            facts["aisle_p50_minus_graph_ms"] = median(over)
        return facts


def _rows(rounds: Rounds) -> dict[str, dict[str, float | None]]:
    speeds = {name: _speeds(own) for name, own in rounds.items()}
    return {
        "pairs_per_s": {name: median(own) for name, own in speeds.items()},
        "aisle_to_this": {name: median_ratio(speeds[AISLE], own) for name, own in speeds.items() if name != AISLE},
        # Of the raw graph: of one micro-batch, which is a request only in c1x1.
        "p50_ms": {name: _quantile(own, 0.5) for name, own in rounds.items()},
        "p99_ms": {name: _quantile(own, 0.99) for name, own in rounds.items()},
    }


def _speeds(rounds: list[Measured]) -> list[float]:
    return [round(measured.pairs_per_second, 1) for measured in rounds]


def _quantile(rounds: list[Measured], quantile: float) -> float | None:
    return quantile_ms([latency for measured in rounds for latency in measured.latencies], quantile)


def _p50(measured: Measured) -> float:
    return 1000 * sorted(measured.latencies)[len(measured.latencies) // 2]
