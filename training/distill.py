"""`python -m training.distill`: the recipe from judgements to a verified bundle, stage by stage.

Each stage writes a folder of the run directory and is skipped once its manifest is there: a command that
was killed, given again, goes on where it was. To redo a stage, delete its folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.command_line import add_run_options, run_command, settings_from
from training.config import DistillSettings
from training.dry_run import estimate
from training.errors import ConfigError
from training.finish import METRICS
from training.optimise.distributed import is_main
from training.run_directory import STAGES, StageName, without_nan
from training.run_lock import only_writer
from training.stages import check_can_start, open_run, run_stages
from training.takeover import check_earlier, take_over


def distill(
    settings: DistillSettings,
    run_directory: Path,
    wanted: tuple[StageName, ...] = STAGES,
    labels_of: Path | None = None,
) -> dict[str, Any] | None:
    """Run the wanted stages that are not finished; returns the run's metrics if export was among them.

    `labels_of`: a run whose pool, teacher and labels are taken over (training/takeover.py).
    """
    run = open_run(settings, run_directory)
    if labels_of is not None:
        take_over(run.directory, labels_of)
    check_can_start(settings, run_directory, wanted)
    last = max(wanted, key=STAGES.index)
    for name in run_stages(run):
        if name == last:
            break
    if last != "export":
        return None
    metrics: dict[str, Any] = json.loads((run_directory / METRICS).read_text(encoding="utf-8"))
    return metrics


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run, print the tables and one JSON line last."""
    return run_command(_parser().parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    settings = settings_from(options)
    if options.dry_run:
        # Several processes would slow each other's trials down, and say it all several times.
        if is_main():
            print(estimate(settings))
        return
    wanted = _stages(options.stages)
    if options.labels_of is not None:
        check_earlier(options.run_dir, options.labels_of)
    with only_writer(options.run_dir):
        metrics = distill(settings, options.run_dir, wanted, options.labels_of)
    if not is_main():
        return
    if metrics is None:
        print(json.dumps({"run_dir": str(options.run_dir), "finished": wanted}))
        return
    print(metrics.pop("tables"))
    print(json.dumps(without_nan(metrics)))


def _stages(text: str) -> tuple[StageName, ...]:
    names = [name.strip() for name in text.split(",")]
    wanted = tuple(stage for stage in STAGES if stage in names)
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise ConfigError(f"--stages: there is no stage {', '.join(map(repr, unknown))}; there are {', '.join(STAGES)}")
    return wanted


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.distill", description=__doc__)
    add_run_options(parser)
    parser.add_argument(
        "--resume", action="store_true", help="go on with --run-dir by the settings it was started with"
    )
    parser.add_argument(
        "--labels-of", type=Path, metavar="RUN", help="take over its pool, teacher and labels: another student of them"
    )
    parser.add_argument("--stages", default=",".join(STAGES), help="only these, comma-separated (default: %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="print counts and an estimate of time; write nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
