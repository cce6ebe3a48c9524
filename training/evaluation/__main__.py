"""`python -m training.evaluation --run-dir RUN`: a finished run's models on judgements that it has not learnt from.

Newer judgements (`--data`), or without that all of the run's own that it did not learn from; `--queries 2000` makes the
embedded catalogue's as many, for intervals that are narrow enough. Queries that the teacher or a student has learnt
from, as judged or in the pool, and their near-duplicates, are left out. Writes nothing into the run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from relevance.product import Product
from training.command_line import from_one_on, run_command, settings_of_run, thread_count
from training.config import DistillSettings
from training.config_file import load_settings
from training.datasets.loading import FORMS, load_dataset
from training.errors import ConfigError
from training.evaluation.evaluate import BASELINES, System, baselines, evaluate
from training.evaluation.intervals import in_brackets
from training.evaluation.measure import Evaluation, as_json, table
from training.finished import data_of_run, learnt_queries, students_of, teacher_of, unseen
from training.optimise.distributed import processes
from training.progress import progress_bar
from training.run_directory import without_nan

COMPARED = ("ndcg@10", "auc")
AGAINST = ("teacher", "cosine")
READ_BY = ("data", "seed", "synthetic_judged_queries")
"""The settings that decide which judgements are read."""


def read_again(run: Path, data: DistillSettings, names: Sequence[str] | None = None) -> Evaluation:
    """Baselines, the run's teacher and its students of these names (all if None) on what `data` names."""
    settings = settings_of_run(run)
    teacher, students = teacher_of(run), students_of(run, settings, names)
    same = all(getattr(data, name) == getattr(settings, name) for name in READ_BY)
    newer = None if same else load_dataset(data)
    own = data_of_run(run, settings)
    dataset = unseen(newer or own, learnt_queries(run, settings, own))
    systems = {**baselines(dataset, teacher.bi_encoder, settings.seed), "teacher": teacher.score, **students}
    with progress_bar("evaluation", len(systems) * len(dataset.judgements)) as done:
        return evaluate(dataset, {name: _counted(system, done) for name, system in systems.items()})


def _counted(system: System, done: Callable[[int], None]) -> System:
    def score(queries: Sequence[str], products: Sequence[Product]) -> Any:
        scores = system(queries, products)
        done(len(products))
        return scores

    return score


def differences(evaluation: Evaluation) -> dict[str, dict[str, dict[str, Any]]]:
    """Student → `minus_teacher` and `minus_cosine` → metric → paired test; the teacher's to the cosine too."""
    compared = [name for name in evaluation.scores if name not in BASELINES]
    return {
        name: {
            f"minus_{other}": {metric: evaluation.paired_test(metric, name, other) for metric in COMPARED}
            for other in AGAINST
            if other != name
        }
        for name in compared
    }


def differences_table(tests: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """The tests as Markdown, one row a difference."""
    lines = ["| paired difference | queries | nDCG@10 | p | AUC | p |", "| --- | --: | --: | --: | --: | --: |"]
    for name, others in tests.items():
        for other, by_metric in others.items():
            ten, auc = (by_metric[metric] for metric in COMPARED)
            figures = " | ".join(f"{in_brackets(test, '+')} | {test['p_value']:.4f}" for test in (ten, auc))
            lines.append(f"| {name} − {other.removeprefix('minus_')} | {ten['queries']} | {figures} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, score, print the tables and one JSON line last."""
    return run_command(_parser().parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    if processes() > 1:
        raise ConfigError("training.evaluation runs in one process; start it without torchrun")
    data = _data(options)
    evaluation = read_again(options.run_dir, data, options.only)
    tests = differences(evaluation)
    print(table(evaluation, "queries not learnt from"), differences_table(tests), sep="\n\n")
    figures = {"data": data.data, "queries": len(evaluation.queries), **as_json(evaluation), "tests": tests}
    print(json.dumps(without_nan(figures)))


def _data(options: argparse.Namespace) -> DistillSettings:
    """Settings that name the data to read: the run's own but for what the command line says."""
    run = settings_of_run(options.run_dir)
    size = run.synthetic_judged_queries if options.queries is None else options.queries
    seed = run.seed if options.seed is None else options.seed
    settings = load_settings(None, {"data": options.data or run.data, "seed": seed, "synthetic_judged_queries": size})
    if settings.data != "synthetic" and (options.seed is not None or options.queries is not None):
        raise ConfigError(f"--seed and --queries are the embedded catalogue's, but the data is {settings.data}")
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.evaluation", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/default"), help="a finished run, or seed of a study")
    parser.add_argument("--data", help=f"{FORMS}; default: the run's own")
    parser.add_argument("--queries", type=from_one_on, help="how many judged queries the embedded catalogue has")
    parser.add_argument("--seed", type=int, help="of another embedded catalogue; default: the run's own")
    parser.add_argument("--only", nargs="+", metavar="STUDENT", help="`student`, or some of a study's, by name")
    parser.add_argument("--threads", type=thread_count, help="CPU threads for torch")
    return parser


if __name__ == "__main__":
    sys.exit(main())
