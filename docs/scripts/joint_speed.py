"""How long the joint graphs of split students take for one list, side by side on one thread.

`python -m docs.scripts.joint_speed before=BUNDLE after=BUNDLE`: queries and records are computed beforehand, rounds are
interleaved; a row for each length of list, with the median of the rounds in microseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

from loadtest.bench.split_arena import shop
from loadtest.raw_split import RawSplit
from relevance.bundle import load_bundle

PRODUCTS, BODIES = 4_000, 12
LISTS = (50, 200)


def main() -> None:
    """Print a row for each length of list."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("bundles", nargs="+", metavar="NAME=BUNDLE")
    options = parser.parse_args()
    named = dict(bundle.split("=", 1) for bundle in options.bundles)
    print(f"| candidates | {' | '.join(named)} |\n| --: |{' --: |' * len(named)}")
    for candidates in LISTS:
        bodies = list(shop(candidates, PRODUCTS).bodies(BODIES))
        raws = [RawSplit(load_bundle(Path(place)), bodies) for place in named.values()]
        rounds = [[microseconds(raw, options.seconds) for raw in raws] for _ in range(options.rounds + 1)]
        print(f"| {candidates} | {' | '.join(medians(rounds[1:]))} |", flush=True)


def microseconds(raw: RawSplit, seconds: float) -> float:
    """Mean time of a run, over the lists in turn."""
    every, done, took = cycle(raw.runs()), 0, 0.0
    started = time.perf_counter()
    while took < seconds:
        next(every)()
        done, took = done + 1, time.perf_counter() - started
    return took / done * 1e6


def medians(rounds: Sequence[Sequence[float]]) -> list[str]:
    """Of each bundle; the round that warmed up is left out before."""
    return [f"{median(own):.0f}" for own in zip(*rounds, strict=True)]


if __name__ == "__main__":
    main()
