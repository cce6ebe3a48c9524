"""The stages of a distillation run, in order: each makes its part in its folder, or loads what it made before."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import BertForSequenceClassification

from training.backbone import load_checkpoint
from training.bi_encoder import BiEncoder, bi_encoder_texts
from training.checkpoint import CheckpointStore
from training.config import DistillSettings
from training.cross_encoder import Logits
from training.datasets.loading import data_digests, load_dataset
from training.datasets.schema import Dataset
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import RunDirectoryError
from training.finish import evaluate_run, export_run
from training.label import label_pool, load_labels
from training.pool import Pool, draw_pool, gather_sources, load_pool, save_pool, untouchable
from training.progress import progress_bar, training_bar
from training.run_directory import MANIFEST, STAGES, RunDirectory, Stage, StageName, write_json
from training.splits import Split, split_by_query, without_queries
from training.student import student_from, train_student
from training.teacher import Teacher, load_teacher, save_teacher, train_teacher
from training.trainer import TrainingHooks

SETTINGS = "settings.json"
"""All settings of a run with this machine's paths, for `--resume`; the fingerprint beside it has no paths."""

log = logging.getLogger("aisle.training")


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage needs: the settings, the split data and the run directory."""

    settings: DistillSettings
    split: Split
    directory: RunDirectory


def open_run(settings: DistillSettings, run_directory: Path) -> Run:
    """Read and split the data, and open the run directory for them."""
    digests = data_digests(settings)
    split = load_split(settings)
    directory = RunDirectory(run_directory, {"settings": settings.of_the_weights(), "data": digests})
    write_json(run_directory / SETTINGS, settings.model_dump(mode="json"))
    log.info("%d judged pairs to learn from, %d held out", len(split.train.judgements), len(split.held_out.judgements))
    return Run(settings, split, directory)


def load_split(settings: DistillSettings) -> Split:
    """The judged data in two, by query."""
    split_seed = settings.seed if settings.split_seed is None else settings.split_seed
    return split_by_query(load_dataset(settings), settings.held_out_fraction, split_seed, settings.fold)


def run_stages(run: Run) -> Iterator[StageName]:
    """The recipe: yields each stage's name once it is done."""
    pool = pool_stage(run)
    yield "pool"
    teacher = teacher_stage(run, pool)
    yield "teacher"
    labels = labels_stage(run, pool, teacher)
    yield "labels"
    student = student_stage(run, pool, teacher, labels)
    yield "student"
    evaluation = evaluate_run(run.directory.stage("evaluation"), run.settings, run.split, (teacher, student))
    yield "evaluation"
    export_run(run.directory, run.settings, run.split, evaluation)
    yield "export"


def check_can_start(run_directory: Path, wanted: tuple[StageName, ...]) -> None:
    """RunDirectoryError if a stage that the wanted ones need is neither wanted nor finished."""
    needed = STAGES[: max(map(STAGES.index, wanted))]
    missing = [name for name in needed if name not in wanted and not (run_directory / name / MANIFEST).exists()]
    if missing:
        raise RunDirectoryError(
            f"--stages {','.join(wanted)} needs {', '.join(missing)}, not finished in {run_directory}: name them too"
        )


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
            judged = judged_for_teacher(run.settings, run.split)
            teacher = train_teacher(judged, pool, run.settings.teacher, run.settings.seed, hooks)
        save_teacher(teacher, stage)
        checkpoints.clear()
    return load_teacher(stage)


def labels_stage(run: Run, pool: Pool, teacher: Teacher) -> Logits:
    """Label the pool, or load its labels."""
    stage = run.directory.stage("labels")
    if not stage.finished:
        with progress_bar("labels", len(pool)) as progress:
            label_pool(teacher, pool, stage, progress)
    return load_labels(stage)


def student_stage(run: Run, pool: Pool, teacher: Teacher, labels: Logits) -> BertForSequenceClassification:
    """Distil the student, or load it."""
    stage = run.directory.stage("student")
    if not stage.finished:
        settings = run.settings.student
        student = student_from(teacher.cross_encoder, settings.layers)
        with training_bar("student") as bar:
            hooks, checkpoints = _hooks(stage, bar)
            train_student(student, pool, labels, settings, (run.settings.seed, hooks))
        student.save_pretrained(stage.directory)
        stage.finish({"layers": settings.layers, "pool_pairs": len(pool)})
        checkpoints.clear()
    return load_checkpoint(stage.directory)


def judged_for_teacher(settings: DistillSettings, split: Split) -> list[Dataset]:
    """The dataset's judgements, and the synthetic catalogue's true relevance for the rest of the shop."""
    if settings.data == "synthetic" or not settings.teacher.synthetic_judged_queries:
        return [split.train]
    size = SyntheticSize(queries=settings.teacher.synthetic_judged_queries, log_queries=0)
    return [split.train, without_queries(build_synthetic(settings.seed + 1, size), untouchable(split))]


def _hooks(stage: Stage, bar: Any) -> tuple[TrainingHooks, CheckpointStore]:
    checkpoints = CheckpointStore(stage.directory / "checkpoint.pt")
    return TrainingHooks(checkpoints=checkpoints, observers=[bar]), checkpoints
