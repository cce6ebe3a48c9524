"""`python -m training.teacher`: train the teacher alone and show how it ranks.

Takes the options of `python -m training.distill` and the same run directory, where a later distillation
finds the teacher finished.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.checks import general_check
from training.command_line import add_run_options, run_command, settings_from
from training.config import DistillSettings
from training.evaluation.evaluate import baselines, evaluate
from training.evaluation.measure import as_json, table
from training.optimise.distributed import is_main
from training.run_directory import without_nan, write_json
from training.run_lock import only_writer
from training.stages import open_run, pool_stage, teacher_stage

METRICS = "teacher-metrics.json"


def teach(settings: DistillSettings, run_directory: Path) -> dict[str, Any]:
    """Run the stages up to the teacher; returns its metrics, which also stand in `teacher-metrics.json`."""
    run = open_run(settings, run_directory)
    teacher = teacher_stage(run, pool_stage(run) if settings.teacher.needs_pool else None)
    evaluations = {}
    for name, dataset in (("held_out", run.split.held_out), ("general", general_check())):
        systems = baselines(dataset, teacher.bi_encoder, settings.seed)
        evaluations[name] = evaluate(dataset, {**systems, "teacher": teacher.score})
    held_out, general = evaluations["held_out"], evaluations["general"]
    metrics = {
        "ndcg@10": held_out.means("ndcg@10"),
        "teacher_minus_cosine": held_out.difference("ndcg@10", "teacher", "cosine")._asdict(),
        "general_ndcg@10": general.means("ndcg@10"),
        "held_out": as_json(held_out),
        "general": as_json(general),
    }
    if is_main():
        write_json(run_directory / METRICS, metrics)
    return {**metrics, "tables": "\n\n".join((table(held_out, "held-out queries"), table(general, "general check")))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run, print the tables and one JSON line last."""
    parser = argparse.ArgumentParser(prog="python -m training.teacher", description=__doc__)
    add_run_options(parser)
    return run_command(parser.parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    settings = settings_from(options)
    with only_writer(options.run_dir):
        metrics = teach(settings, options.run_dir)
    if is_main():
        print(metrics.pop("tables"))
        print(json.dumps(without_nan(metrics)))


if __name__ == "__main__":
    sys.exit(main())
