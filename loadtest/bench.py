"""`python -m loadtest.bench`: what the service costs over the bare ONNX session, in interleaved rounds.

Raw: the bundle's own graph, pre-tokenised pairs, the best of several ways to drive it. Service: the real
process on this machine, closed-loop clients over HTTP. Rounds take turns, because machines are noisy.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.closed_loop import drive
from loadtest.raw_session import RawCeiling
from loadtest.service_process import running_service
from loadtest.workload import Workload
from relevance.bundle import BundleError

BODIES = 64


def bench(bundle: Path, options: argparse.Namespace) -> dict[str, object]:
    """Run the rounds; returns medians, their ratio and every round's figures."""
    bodies = Workload(seed=0, candidates=options.candidates).bodies(BODIES)
    ceiling = RawCeiling(bundle, bodies)
    raw: list[float] = []
    service: list[float] = []
    latencies: list[float] = []
    with running_service(bundle) as address:
        encoded = [json.dumps(body).encode() for body in bodies]
        drive(address, encoded, options.clients, seconds=1.0)
        for _ in range(options.rounds):
            raw.append(ceiling.pairs_per_second(options.seconds))
            result = drive(address, encoded, options.clients, options.seconds)
            service.append(result.requests * options.candidates / result.seconds)
            latencies += result.latencies
    ordered = sorted(latencies)
    return {
        "raw_pairs_per_s": round(statistics.median(raw), 1),
        "service_pairs_per_s": round(statistics.median(service), 1),
        "ratio": round(statistics.median(s / r for s, r in zip(service, raw, strict=True)), 3),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 1),
        "p99_ms": round(1000 * ordered[int(0.99 * (len(ordered) - 1))], 1),
        "mean_tokens": round(ceiling.mean_tokens, 1),
        "raw_drive": ceiling.best_drive,
        "rounds": [{"raw": round(r, 1), "service": round(s, 1)} for r, s in zip(raw, service, strict=True)],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for people and one JSON line last."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.bench", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/default"))
    parser.add_argument("--candidates", type=int, default=50)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each round of each system")
    options = parser.parse_args(arguments)
    try:
        figures = bench(options.bundle, options)
    except (BundleError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(
        f"{options.candidates} candidates of {figures['mean_tokens']} tokens (with the query), "
        f"{options.clients} clients, median of {options.rounds} interleaved rounds"
    )
    print(f"| raw session ({figures['raw_drive']}) | {figures['raw_pairs_per_s']} pairs/s |")
    print(f"| service over HTTP | {figures['service_pairs_per_s']} pairs/s |")
    print(f"| ratio | {figures['ratio']} |")
    print(f"| service latency | p50 {figures['p50_ms']} ms, p99 {figures['p99_ms']} ms |")
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
