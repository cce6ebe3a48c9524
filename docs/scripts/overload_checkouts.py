"""What the services of several checkouts make of twice the load that they can take, with a deadline, side by side.

`python -m docs.scripts.overload_checkouts before=DIR after=DIR`: the bench's load `overload`, which
`loadtest/bench/overload.py` tells of, on the bundled cross-encoder, caches off. In each round every service finds its
capacity in a closed loop, and is then sent the same requests at the same times, twice what the fastest of them can
take. Shares are of that capacity; pairs scored are those of all answers, goodput those of whole ones in time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

from docs.scripts.checkouts import named_checkout, services
from loadtest.arrivals import poisson_arrivals
from loadtest.bench.arena import NO_CACHES, Contestant
from loadtest.bench.open_run import BODIES, CLIENTS
from loadtest.bench.overload import CANDIDATES, DEADLINE_MS, TIMES_CAPACITY, goodput_pairs_per_s, scored_pairs
from loadtest.measured import quantile_ms
from loadtest.open_loop import Plan, drive
from loadtest.outcomes import Outcome
from loadtest.systems import Call
from loadtest.workload import Workload

BUNDLE = Path("models/cross-encoder")
COLUMNS = (
    "checkout",
    "goodput",
    "pairs scored",
    "answered",
    "of them in parts",
    "p50 ms",
    "p99 ms",
    "rounds of goodput",
)


@dataclass(frozen=True, slots=True)
class Round:
    """One round of one service: shares of the capacity, and what became of the requests."""

    goodput: float
    scored: float
    outcomes: Sequence[Outcome]


def measure(one: Contestant, plan: Plan, capacity: float) -> Round:
    """Send the plan."""
    outcomes = drive(plan)
    seconds = max(outcome.done for outcome in outcomes)
    scored = sum(scored_pairs(one.system, outcome) for outcome in outcomes) / seconds
    return Round(goodput_pairs_per_s(outcomes, one.system, plan.arrivals[-1]) / capacity, scored / capacity, outcomes)


def rounds_of(made: dict[str, Contestant], options: argparse.Namespace) -> dict[str, list[Round]]:
    """All rounds of all services, in turn."""
    plain = Workload(0, CANDIDATES).bodies(BODIES)
    closed = {name: one.calls(plain) for name, one in made.items()}
    hurried: dict[str, Sequence[Call]] = {
        name: one.calls([body | {"deadline_ms": DEADLINE_MS} for body in plain]) for name, one in made.items()
    }
    rounds: dict[str, list[Round]] = {name: [] for name in made}
    for number in range(options.rounds):
        capacity = max(
            one.drive(cycle(closed[name]), CLIENTS, options.closed_seconds).pairs_per_second
            for name, one in made.items()
        )
        arrivals = poisson_arrivals(TIMES_CAPACITY * capacity / CANDIDATES, options.seconds, number)
        for name, one in made.items():
            rounds[name].append(measure(one, Plan(one.target, arrivals, hurried[name]), capacity))
            print(
                f"round {number} {name}: goodput {rounds[name][-1].goodput:.2f} of {capacity:,.0f} pairs/s", flush=True
            )
    return rounds


def row(name: str, one: Contestant, rounds: Sequence[Round]) -> str:
    """One service's line: medians of the rounds, and of all their requests."""
    outcomes = [outcome for each in rounds for outcome in each.outcomes]
    answered = [outcome for outcome in outcomes if outcome.answered]
    partly = sum(scored_pairs(one.system, outcome) < outcome.pairs for outcome in answered)
    latencies = [outcome.latency for outcome in answered]
    cells = (
        f"{median(each.goodput for each in rounds):.2f}",
        f"{median(each.scored for each in rounds):.2f}",
        f"{len(answered) / len(outcomes):.3f}",
        f"{partly / len(answered):.3f}",
        *(f"{quantile_ms(latencies, q):.0f}" for q in (0.5, 0.99)),
        " ".join(f"{each.goodput:.2f}" for each in rounds),
    )
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=8.0, help="of overload, for each round and checkout")
    parser.add_argument("--closed-seconds", type=float, default=2.5)
    parser.add_argument("checkouts", nargs="+", type=named_checkout, metavar="NAME=CHECKOUT")
    options = parser.parse_args()
    with services(dict(options.checkouts), options.bundle.resolve(), **NO_CACHES) as made:
        rounds = rounds_of(made, options)
        print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
        for name, one in made.items():
            print(row(name, one, rounds[name]))


if __name__ == "__main__":
    main()
