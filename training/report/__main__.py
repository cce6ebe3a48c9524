"""`python -m training.report --run-dir RUN`: write the report of a finished run anew."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.command_line import run_command
from training.report.write import write_report


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, write the report, print where it lies."""
    parser = argparse.ArgumentParser(prog="python -m training.report", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/default"), help="a run whose evaluation is finished")
    return run_command(parser.parse_args(arguments), lambda options: print(write_report(options.run_dir)))


if __name__ == "__main__":
    sys.exit(main())
