"""`python -m loadtest.bench`: Aisle, the raw graph and the installed peers under the same loads, side by side.

A Markdown table a load, and one JSON line last. Rounds take turns, because machines are noisy.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtest.bench.agreement import check_agreement
from loadtest.bench.arena import Arena, opened
from loadtest.bench.bundles import cross_encoder, split_student
from loadtest.bench.cache_loads import ALL_CACHES, CANDIDATE_CACHE, SCORE_CACHE, TOKEN_CACHE
from loadtest.bench.closed_loads import ClosedLoad
from loadtest.bench.curve import latency_curve
from loadtest.bench.ending import print_report
from loadtest.bench.machine import describe_machine
from loadtest.bench.memory_load import memory, memory_split
from loadtest.bench.mixed_load import mixed
from loadtest.bench.options import Options, parse_options
from loadtest.bench.overload import overload
from loadtest.bench.plot import draw_curve
from loadtest.bench.result import LoadResult, underscored
from loadtest.bench.split_loads import SPLIT_LOADS

CLOSED_LOADS = (ClosedLoad(50, 8), ClosedLoad(1, 1), ClosedLoad(10, 4), ClosedLoad(10, 1))
OF_SPLITS: Mapping[str, Callable[[Arena], LoadResult]] = {**SPLIT_LOADS, "memory_split": memory_split}
LOADS: Mapping[str, Callable[[Arena], LoadResult]] = {
    **{load.name: load.run for load in CLOSED_LOADS},
    "mixed": mixed,
    "overload": overload,
    TOKEN_CACHE.name: TOKEN_CACHE.run,
    CANDIDATE_CACHE.name: CANDIDATE_CACHE.run,
    SCORE_CACHE.name: SCORE_CACHE.run,
    ALL_CACHES.name: ALL_CACHES.run,
    "memory": memory,
    **OF_SPLITS,
}


def bench(options: Options) -> dict[str, Any]:
    """Run the loads, print each one's table when it is done, and return everything."""
    bundle = cross_encoder(options.bundle)
    split = split_student(options.split) if set(options.loads) & set(OF_SPLITS) else None
    machine = describe_machine()
    print(f"{bundle.manifest.name} {bundle.manifest.version} on {machine['cpu']}, {machine['cores']} cores\n")
    for name, reason in options.missing.items():
        print(f"{name} is not measured: {reason}\n", flush=True)
    report: dict[str, Any] = {"machine": machine, "missing": underscored(options.missing), "loads": {}}
    with opened(bundle, options.peers, options.pace, split) as arena:
        report["mean_tokens"] = round(arena.raw.mean_tokens, 1)
        if options.peers:
            report["agreement"] = _shown(check_agreement(arena))
        for name in options.loads:
            report["loads"][name] = _shown(LOADS[name](arena))
        if options.curve is not None:
            report["curve"] = _drawn(arena, options.curve)
    return report


def _shown(result: LoadResult) -> dict[str, Any]:
    print(f"{result.as_markdown()}\n", flush=True)
    return result.as_json()


def _drawn(arena: Arena, path: Path) -> dict[str, Any]:
    curve = latency_curve(arena)
    draw_curve(curve, path)
    print(f"wrote {path}\n", flush=True)
    return underscored({name: [asdict(point) for point in points] for name, points in curve.items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Tables for people, one JSON line last; 1 if something could not be measured."""
    options = parse_options(arguments, __doc__, tuple(LOADS))
    return print_report(lambda: bench(options))


if __name__ == "__main__":
    sys.exit(main())
