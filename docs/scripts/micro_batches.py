"""What the size of a micro-batch does to throughput and to the tail: one service a size, side by side.

`python -m docs.scripts.micro_batches [--tokens 256 384 512]`. Closed loops say pairs/s, as parts of the raw graph's;
the mixed load (nine small requests to a large one, all at the same times) says what small requests wait for.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path

from loadtest.arrivals import poisson_arrivals
from loadtest.bench.arena import BODIES, NO_CACHES, Contestant, Pace, aisles
from loadtest.bench.bundles import cross_encoder
from loadtest.bench.rounds import interleaved
from loadtest.measured import median, median_ratio, quantile_ms
from loadtest.open_loop import Plan, drive
from loadtest.raw_session import Drive, RawSessions
from loadtest.workload import SMALL, Workload, mixed_bodies

CLOSED = ((50, 8), (10, 4))
"""Candidates, clients."""
MIXED_BODIES = 300
OF_RAW = 0.6
"""Offered under the mixed load, as part of the raw graph's pairs/s: about 70 % of what the service can do."""
RAW = "raw"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table for the closed loops, and one for the mixed load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=Path("models/cross-encoder"), help="default: %(default)s")
    parser.add_argument("--tokens", type=int, nargs="+", default=[256, 384, 512], help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=10, help="of the closed loops; %(default)s")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one round of them; %(default)s")
    parser.add_argument("--mixed-rounds", type=int, default=4, help="default: %(default)s")
    parser.add_argument("--mixed-seconds", type=float, default=20.0, help="default: %(default)s")
    options = parser.parse_args(arguments)
    bundle = cross_encoder(options.bundle)
    raw = RawSessions(bundle, Workload(0, 50).bodies(BODIES)).ceiling(Pace().trial_seconds)
    sizes = {str(tokens): {**NO_CACHES, "micro_batch_tokens": tokens} for tokens in options.tokens}
    with aisles(bundle, sizes) as services:
        print("| load | tokens | pairs/s | of raw |\n| --- | --: | --: | --: |")
        speed = max(print_closed(services, raw, load, options) for load in CLOSED)
        print("\n| tokens | small p50 ms | p95 | p99 |\n| --: | --: | --: | --: |")
        print_mixed(services, OF_RAW * speed, options)


def print_closed(
    services: Mapping[str, Contestant], raw: Drive, load: tuple[int, int], options: argparse.Namespace
) -> float:
    """Rows of one closed loop; returns the raw graph's pairs/s."""
    candidates, clients = load
    bodies = Workload(0, candidates).bodies(BODIES)
    ways = {RAW: partial(raw.measure, options.seconds)}
    for tokens, service in services.items():
        calls = service.calls(bodies)
        service.drive(cycle(calls), clients, 1.0)
        ways[tokens] = partial(service.drive, cycle(calls), clients, options.seconds)
    measured = interleaved(ways, options.rounds)
    speeds = {name: [one.pairs_per_second for one in rounds] for name, rounds in measured.items()}
    for tokens in services:
        of_raw = median_ratio(speeds[tokens], speeds[RAW])
        print(f"| c{candidates}x{clients} | {tokens} | {median(speeds[tokens]):.0f} | {of_raw:.2f} |", flush=True)
    return median(speeds[RAW])


def print_mixed(services: Mapping[str, Contestant], pairs_per_second: float, options: argparse.Namespace) -> None:
    """Rows of the mixed load: medians over the rounds of each round's quantile."""
    bodies = mixed_bodies(0, MIXED_BODIES)
    rate = pairs_per_second * len(bodies) / sum(len(body["candidates"]) for body in bodies)

    def small_latencies(service: Contestant, seeds: list[int]) -> list[float]:
        arrivals = (0.0, *poisson_arrivals(rate, options.mixed_seconds, seeds.pop(0)))
        outcomes = drive(Plan(service.target, arrivals, service.calls(bodies)))
        return [outcome.latency for outcome in outcomes if outcome.pairs == SMALL]

    ways = {
        tokens: partial(small_latencies, service, list(range(options.mixed_rounds)))
        for tokens, service in services.items()
    }
    for tokens, rounds in interleaved(ways, options.mixed_rounds).items():
        quantiles = [[quantile_ms(latencies, q) or float("inf") for latencies in rounds] for q in (0.5, 0.95, 0.99)]
        print(f"| {tokens} | " + " | ".join(f"{median(own):.0f}" for own in quantiles) + " |", flush=True)


if __name__ == "__main__":
    main()
