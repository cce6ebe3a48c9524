"""What a warm request of a split student costs the service: its CPU time, pairs/s and latency, side by side.

`python -m docs.scripts.warm_cpu --bundle DIR NAME=CHECKOUT …`: each checkout's service is started on the bundle and
a catalogue of its products, and all are driven in interleaved rounds; medians over the rounds. CPU time is that
of the server's process alone, and of the thread of its event loop, which tells more than wall time on a machine that
is shared.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

from docs.scripts.checkouts import named_checkout, services
from loadtest.bench.arena import Contestant
from loadtest.bench.split_arena import NO_SCORES, shop, write_catalogue
from loadtest.bench.split_loads import as_ids
from loadtest.measured import quantile_ms
from loadtest.systems import Call
from loadtest.usage import ProcessUsage
from loadtest.workload import Body
from relevance.bundle import load_bundle

BODIES, PRODUCTS = 64, 4_000
LOADS = {"full_c50x8": (50, 8, False), "ids_c50x8": (50, 8, True), "full_c200x1": (200, 1, False)}
"""Name → candidates, clients, whether products are sent by their ids alone."""


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one service."""

    cpu_ms: float
    loop_ms: float
    pairs_per_second: float
    latencies: Sequence[float]


def measure(contestant: Contestant, calls: Sequence[Call], clients: int, seconds: float) -> Round:
    """Drive it for so long."""
    usage = ProcessUsage(contestant.server.pid)
    before, loop_before = usage.read().cpu_seconds, _loop_seconds(contestant)
    measured = contestant.drive(cycle(calls), clients, seconds)
    cpu, loop = usage.read().cpu_seconds - before, _loop_seconds(contestant) - loop_before
    requests = len(measured.latencies)
    return Round(1000 * cpu / requests, 1000 * loop / requests, measured.pairs_per_second, measured.latencies)


def _loop_seconds(contestant: Contestant) -> float:
    """CPU time of the process' first thread, which runs its event loop."""
    pid = contestant.server.pid
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0]) / 1e9


def compare(load: str, options: argparse.Namespace) -> None:
    """Measure one load and print its rows."""
    candidates, clients, ids = LOADS[load]
    bodies = _bodies(candidates)
    settings = {**NO_SCORES, "catalogue": options.catalogue}
    with services(options.checkouts, options.bundle.directory, **settings) as made:
        calls = {name: one.calls(as_ids(bodies) if ids else bodies) for name, one in made.items()}
        for name, one in made.items():
            one.drive(calls[name], clients, 60.0)
        rounds: dict[str, list[Round]] = {name: [] for name in made}
        for _ in range(options.rounds):
            for name, one in made.items():
                rounds[name].append(measure(one, calls[name], clients, options.seconds))
    for name, own in rounds.items():
        latencies = [latency for one in own for latency in one.latencies]
        cpu, loop = median(one.cpu_ms for one in own), median(one.loop_ms for one in own)
        pairs = median(one.pairs_per_second for one in own)
        quantiles = "  ".join(f"p{q} {quantile_ms(latencies, q / 100):.1f} ms" for q in (50, 99))
        spent = f"{cpu:6.2f} ms CPU, {loop:5.2f} of them in the loop"
        print(f"{load}  {name:8} {spent}  {pairs:8,.0f} pairs/s  {quantiles}  n={len(latencies)}", flush=True)


def _bodies(candidates: int) -> list[Body]:
    return list(shop(candidates, PRODUCTS).bodies(BODIES))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--catalogue", type=Path, help="of all products, where there is one already")
    parser.add_argument("--precision", default="int8", help="of the bundle's graphs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--loads", nargs="+", choices=LOADS, default=list(LOADS))
    parser.add_argument("checkouts", nargs="+", type=named_checkout, metavar="NAME=CHECKOUT")
    given = parser.parse_args()
    given.checkouts = dict(given.checkouts)
    given.bundle = load_bundle(given.bundle.resolve())
    with tempfile.TemporaryDirectory() as folder:
        every = [body for candidates in {load[0] for load in LOADS.values()} for body in _bodies(candidates)]
        made = given.catalogue or write_catalogue(given.bundle, every, Path(folder), given.precision)
        given.catalogue = made.resolve()
        for each in given.loads:
            compare(each, given)
