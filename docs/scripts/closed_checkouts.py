"""How fast the services of several checkouts answer lists of candidates by the bundled cross-encoder, side by side.

`python -m docs.scripts.closed_checkouts before=DIR after=DIR --loads 10x1 50x8`: candidates x clients in a closed loop,
caches off, rounds in turn. Each row has medians over the rounds, and of the rounds' ratios to the first checkout's.
"""

from __future__ import annotations

import argparse
from itertools import cycle
from pathlib import Path
from statistics import median

from docs.scripts.checkouts import named_checkout, services
from loadtest.bench.arena import BODIES, NO_CACHES, Contestant
from loadtest.measured import Measured
from loadtest.workload import Workload

BUNDLE = Path("models/cross-encoder")
LOADS = ("4x1", "10x1", "20x1", "10x4", "50x8")
COLUMNS = ("load", "checkout", "p50 ms", "p99 ms", "p50, ratio", "pairs/s", "ratio")


def compare(made: dict[str, Contestant], load: str, options: argparse.Namespace) -> None:
    """Measure one load and print its rows."""
    candidates, clients = map(int, load.split("x"))
    calls = {name: one.calls(Workload(1, candidates).bodies(BODIES)) for name, one in made.items()}
    rounds: dict[str, list[Measured]] = {name: [] for name in made}
    for number in range(options.rounds + 1):
        for name, one in made.items():
            measured = one.drive(cycle(calls[name]), clients, options.seconds)
            # The first round warms up.
            rounds[name] += [measured] if number else []
    base = next(iter(rounds.values()))
    for name, own in rounds.items():
        p50, p99 = (median(one.answered_quantile_ms(q) for one in own) for q in (0.5, 0.99))
        speed = median(one.pairs_per_second for one in own)
        waits = median(
            one.answered_quantile_ms(0.5) / other.answered_quantile_ms(0.5)
            for one, other in zip(own, base, strict=True)
        )
        gains = median(one.pairs_per_second / other.pairs_per_second for one, other in zip(own, base, strict=True))
        print(f"| {load} | {name} | {p50:.1f} | {p99:.1f} | {waits:.2f} | {speed:,.0f} | {gains:.2f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--loads", nargs="+", default=LOADS, metavar="CANDIDATESxCLIENTS")
    parser.add_argument("checkouts", nargs="+", type=named_checkout, metavar="NAME=CHECKOUT")
    options = parser.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{' --: |' * len(COLUMNS)}")
    with services(dict(options.checkouts), options.bundle.resolve(), **NO_CACHES) as made:
        for load in options.loads:
            compare(made, load, options)


if __name__ == "__main__":
    main()
