"""How the bundles themselves rank, asked through the service: int8 graphs, calibration and all.

`python -m docs.scripts.served_quality --run-dir runs/split NAME=BUNDLE …` starts a service on each bundle and scores
the run's held-out queries and the general check; differences are to the first bundle, paired by query.
"""

from __future__ import annotations

import argparse
import json
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from loadtest.server import Server, launch_aisle, started
from relevance.product import Product
from training.checks import general_check
from training.command_line import settings_of_run
from training.datasets.schema import Dataset
from training.evaluation.evaluate import System, by_query, evaluate
from training.evaluation.measure import HEADLINE, Evaluation
from training.stages import load_split as load_queries


def main() -> None:
    """Print a table of one row a bundle for each set of queries."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="whose data and split")
    parser.add_argument("bundles", nargs="+", metavar="NAME=BUNDLE")
    options = parser.parse_args()
    bundles = dict(bundle.split("=", 1) for bundle in options.bundles)
    sets = sets_of(options.run_dir)
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(started(launch_aisle(Path(bundle), autotune="false")))
            for name, bundle in bundles.items()
        }
        for server in servers.values():
            server.wait_until_ready()
        systems = {name: served(server) for name, server in servers.items()}
        for title, dataset in sets.items():
            print(as_table(title, evaluate(dataset, systems), list(bundles)), flush=True)


def sets_of(run_directory: Path) -> dict[str, Dataset]:
    """What no stage of the run learnt from, by name."""
    return {"held out": load_queries(settings_of_run(run_directory)).held_out, "general check": general_check()}


def served(server: Server) -> System:
    """The logits that a running service gives."""

    def score(query: str, products: Sequence[Product]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        body = {"query": query, "candidates": [product.model_dump() for product in products], "debug": True}
        request = urllib.request.Request(
            f"http://{server.host}:{server.port}/score",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request) as reply:
            results = json.load(reply)["results"]
        return np.array([result["debug"]["logit"] for result in sorted(results, key=lambda result: result["index"])])

    return by_query(score)


def as_table(title: str, evaluation: Evaluation, names: Sequence[str]) -> str:
    """A row for each bundle, with the difference to the first."""
    lines = [f"| {title} | nDCG@10 | − {names[0]} | AUC |", "| --- | :-: | :-: | --: |"]
    means, intervals = evaluation.means, evaluation.intervals(HEADLINE)
    for name in names:
        own, change = intervals[name], evaluation.difference(HEADLINE, name, names[0])
        lines.append(
            f"| {name} | {means(HEADLINE)[name]:.4f} [{own.low:.3f}, {own.high:.3f}] "
            f"| {change.mean:+.4f} [{change.low:+.3f}, {change.high:+.3f}] | {means('auc')[name]:.4f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
