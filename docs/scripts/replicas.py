"""A service of one replica, or of one on each core (`AISLE_REPLICAS`): pairs/s and latency side by side.

`python -m docs.scripts.replicas` starts both on the bundled split student with all products known, and on the
cross-encoder without caches. They are driven in interleaved rounds by as many client processes as there are cores, each
with an equal share of the clients and requests of its own; medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median
from typing import Any

from loadtest.bench.arena import NO_CACHES
from loadtest.bench.rounds import interleaved
from loadtest.bench.split_arena import NO_SCORES, shop, write_catalogue
from loadtest.bench.split_loads import as_ids
from loadtest.closed_loop import drive
from loadtest.measured import Measured
from loadtest.server import launch_aisle, started
from loadtest.systems import Aisle, Call, Target
from relevance.bundle import load_bundle

CANDIDATES, PRODUCTS, BODIES = 50, 4_000, 64
WARM_UP_SECONDS = 1.5
SPLIT, CROSS_ENCODER = Path("models/default"), Path("models/cross-encoder")

Settings = dict[str, Any]
Shares = Sequence[Sequence[Call]]
Way = Callable[[float], Measured]
"""Drives the replicas for so many seconds."""


def main() -> None:
    """Print a table for each load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    bodies = shop(CANDIDATES, PRODUCTS).bodies(BODIES)
    full, ids = ([Aisle().call(body) for body in kind] for kind in (bodies, as_ids(bodies)))
    with ProcessPoolExecutor(cores) as clients, tempfile.TemporaryDirectory() as directory:
        catalogue = write_catalogue(load_bundle(SPLIT), bodies, Path(directory))
        for bundle, settings, loads in (
            (SPLIT, NO_SCORES | {"catalogue": catalogue}, {"split, known, full JSON": full, "split, known, ids": ids}),
            (CROSS_ENCODER, NO_CACHES, {"cross-encoder, caches off": full}),
        ):
            with services(bundle, settings, cores) as targets:
                for load, calls in loads.items():
                    shares = [calls[number::cores] for number in range(cores)]
                    ways: dict[str, Way] = {
                        name: partial(driven, clients, target, shares, options.clients)
                        for name, target in targets.items()
                    }
                    show(load, ways, options.rounds, options.seconds)


@contextmanager
def services(bundle: Path, settings: Settings, cores: int) -> Iterator[dict[str, Target]]:
    """Both services, ready, one started after the other."""
    with ExitStack() as stack:
        targets = {}
        for name, replicas in (("one replica", 1), ("one on each core", cores)):
            launch = launch_aisle(bundle.resolve(), replicas=replicas, **settings)
            server = stack.enter_context(started(launch))
            server.wait_until_ready()
            targets[name] = Target("aisle", server.host, server.port, Aisle().path)
        yield targets


def driven(pool: ProcessPoolExecutor, target: Target, shares: Shares, clients: int, seconds: float) -> Measured:
    """By a process for each of the shares, all at once: identical requests would be computed once."""
    one = partial(driven_once, target, clients=clients // len(shares), seconds=seconds)
    parts = list(pool.map(one, shares))
    latencies = [latency for part in parts for latency in part.latencies]
    return Measured(sum(part.pairs for part in parts), max(part.seconds for part in parts), latencies)


def driven_once(target: Target, calls: Sequence[Call], *, clients: int, seconds: float) -> Measured:
    """As of `loadtest.closed_loop.drive`, in a process of the pool."""
    return drive(target, cycle(calls), clients, seconds)


def show(load: str, ways: dict[str, Way], rounds: int, seconds: float) -> None:
    """Measure the ways in turn, and print a row for each."""
    for way in ways.values():
        way(WARM_UP_SECONDS)
    measured = interleaved({name: partial(way, seconds) for name, way in ways.items()}, rounds)
    first = next(iter(measured.values()))
    print(f"| {load} | pairs/s | p50 ms | p99 ms | to the first |\n| --- | --: | --: | --: | --: |")
    for name, own in measured.items():
        ratio = median(mine.pairs_per_second / its.pairs_per_second for mine, its in zip(own, first, strict=True))
        figures = [
            f"{median(one.pairs_per_second for one in own):,.0f}",
            *(f"{median(one.answered_quantile_ms(quantile) for one in own):.1f}" for quantile in (0.5, 0.99)),
            f"{ratio:.2f}",
        ]
        print(f"| {name} | {' | '.join(figures)} |", flush=True)
    print()


if __name__ == "__main__":
    main()
