"""`python -m training.distill`: the recipe from judgements to a verified bundle, stage by stage.

Each stage writes a folder of the run directory and is skipped once its manifest is there.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import BertForSequenceClassification
from transformers.utils import logging as transformers_logging

from export.errors import ExportError
from training.backbone import load_checkpoint
from training.bi_encoder import BiEncoder, bi_encoder_texts
from training.checkpoint import CheckpointStore
from training.config import DistillSettings, load_settings
from training.datasets.loading import data_digests, load_dataset
from training.datasets.schema import Dataset
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import TrainingError
from training.finish import evaluate_run, export_run
from training.label import label_pool, load_labels
from training.pool import Pool, draw_pool, gather_sources, load_pool, save_pool, untouchable
from training.progress import progress_bar, training_bar
from training.run_directory import RunDirectory, Stage, without_nan
from training.splits import Split, split_by_query, without_queries
from training.student import student_from, train_student
from training.teacher import Teacher, load_teacher, save_teacher, train_teacher
from training.trainer import TrainingHooks

log = logging.getLogger("aisle.training")


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage needs: the settings, the split data and the run directory."""

    settings: DistillSettings
    split: Split
    directory: RunDirectory


def distill(settings: DistillSettings, run_directory: Path) -> dict[str, Any]:
    """Run every unfinished stage; returns the run's metrics, which also stand in `metrics.json`."""
    digests = data_digests(settings)
    split = split_by_query(load_dataset(settings), settings.held_out_fraction, settings.seed)
    directory = RunDirectory(run_directory, {"settings": settings.of_the_weights(), "data": digests})
    run = Run(settings, split, directory)
    log.info("%d judged pairs to learn from, %d held out", len(split.train.judgements), len(split.held_out.judgements))
    pool = pool_stage(run)
    teacher = teacher_stage(run, pool)
    student = student_stage(run, pool, teacher)
    evaluation = evaluate_run(directory.stage("evaluation"), settings, split, (teacher, student))
    return export_run(directory, settings, split, evaluation)


def pool_stage(run: Run) -> Pool:
    """Draw the pool, or load it."""
    stage = run.directory.stage("pool")
    if not stage.finished:
        log.info("pool: gathering queries and candidates")
        sources = gather_sources(run.settings, run.split)
        texts = len({text for product in sources.products for text in bi_encoder_texts(product)})
        with progress_bar("pool: encoding", texts) as progress:
            save_pool(draw_pool(sources, run.settings, BiEncoder(), progress), stage)
    return load_pool(stage)


def teacher_stage(run: Run, pool: Pool) -> Teacher:
    """Fine-tune the teacher, or load it."""
    stage = run.directory.stage("teacher")
    if not stage.finished:
        with training_bar("teacher") as bar:
            hooks, checkpoints = _hooks(stage, bar)
            judged = _judged_for_teacher(run)
            teacher = train_teacher(judged, pool, run.settings.teacher, run.settings.seed, hooks)
        save_teacher(teacher, stage)
        checkpoints.clear()
    return load_teacher(stage)


def student_stage(run: Run, pool: Pool, teacher: Teacher) -> BertForSequenceClassification:
    """Label the pool and distil the student, or load it."""
    labels, stage = run.directory.stage("labels"), run.directory.stage("student")
    if not labels.finished:
        with progress_bar("labels", len(pool)) as progress:
            label_pool(teacher, pool, labels, progress)
    if not stage.finished:
        settings = run.settings.student
        student = student_from(teacher.cross_encoder, settings.layers)
        with training_bar("student") as bar:
            hooks, checkpoints = _hooks(stage, bar)
            train_student(student, pool, load_labels(labels), settings, (run.settings.seed, hooks))
        student.save_pretrained(stage.directory)
        stage.finish({"layers": settings.layers, "pool_pairs": len(pool)})
        checkpoints.clear()
    return load_checkpoint(stage.directory)


def _judged_for_teacher(run: Run) -> list[Dataset]:
    """The dataset's judgements, and the synthetic catalogue's true relevance for the rest of the shop."""
    settings = run.settings
    if settings.data == "synthetic" or not settings.teacher.synthetic_judged_queries:
        return [run.split.train]
    size = SyntheticSize(queries=settings.teacher.synthetic_judged_queries, log_queries=0)
    return [run.split.train, without_queries(build_synthetic(settings.seed + 1, size), untouchable(run.split))]


def _hooks(stage: Stage, bar: Any) -> tuple[TrainingHooks, CheckpointStore]:
    checkpoints = CheckpointStore(stage.directory / "checkpoint.pt")
    return TrainingHooks(checkpoints=checkpoints, observers=[bar]), checkpoints


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run, print the tables and one JSON line last."""
    options = _parser().parse_args(arguments)
    # force: a library that is imported above has set its own format.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        settings = load_settings(options.config, _overrides(options))
        torch.set_num_threads(options.threads or torch.get_num_threads())
        metrics = distill(settings, options.run_dir)
    except (TrainingError, ExportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(metrics.pop("tables"))
    print(json.dumps(without_nan(metrics)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.distill", description=__doc__)
    parser.add_argument("--run-dir", type=Path, default=Path("runs/default"), help="where the run lives")
    parser.add_argument("--config", type=Path, help="TOML file with any of the settings of training/config.py")
    parser.add_argument("--data", help="synthetic (default), chorus:DIR, jsonl:DIR or parquet:DIR")
    parser.add_argument("--query-log", type=Path, action="append", help="unjudged queries for the pool; repeatable")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int, help="CPU threads for torch")
    return parser


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    given = {"data": options.data, "seed": options.seed, "query_logs": options.query_log}
    return {name: value for name, value in given.items() if value is not None}


if __name__ == "__main__":
    sys.exit(main())
