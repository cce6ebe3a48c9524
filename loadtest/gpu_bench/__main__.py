"""`python -m loadtest.gpu_bench`: is the CUDA profile right, and how far is it from what the machine can do?

Checks first: of a wrong model nothing is timed. Then tables, and one JSON line last. What a missing package or driver
leaves out is named with the reason. `--device cpu` tries the script out where there is no GPU.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtest.bench.ending import print_report
from loadtest.gpu_bench.plan import plan_for
from loadtest.gpu_bench.run import Options, run_bench

FOLDER = Path("runs/gpu-bench")


def parse_options(arguments: Sequence[str] | None) -> Options:
    """Read the command line; a wrong one ends the program."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.gpu_bench", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--quick", action="store_true", help="every part, but briefly: the figures are rough")
    parser.add_argument("--bundle", type=Path, metavar="DIR", help="a cross-encoder of yours, beside the known shapes")
    parser.add_argument("--split", type=Path, metavar="DIR", help="a split student; default: one never distilled")
    parser.add_argument("--models", type=Path, default=FOLDER, metavar="DIR", help=f"made ones lie there: {FOLDER}")
    given = parser.parse_args(arguments)
    return Options(plan_for(given.device, given.quick), given.models, given.bundle, given.split)


def main(arguments: Sequence[str] | None = None) -> int:
    """Tables for people, one JSON line last; 1 if a model is wrong or nothing can be measured."""
    options = parse_options(arguments)
    return print_report(lambda: run_bench(options))


if __name__ == "__main__":
    sys.exit(main())
