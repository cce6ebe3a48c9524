"""The stages of a distillation run, in order: each makes its part in its folder, or loads what it made before."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.config import DistillSettings
from training.datasets.loading import check_query_logs, data_digests, load_dataset
from training.datasets.schema import Dataset
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import RunDirectoryError
from training.finish import evaluate_run, export_run, student_system
from training.labels import label_pool, load_labels
from training.models.bi_encoder import BiEncoder
from training.models.cross_encoder import Logits
from training.optimise.checkpoint import CheckpointStore
from training.optimise.distributed import as_main_says, is_main, main_first
from training.optimise.loss_log import LOSSES, LossLog
from training.optimise.scorers import CrossEncoder
from training.optimise.trainer import TrainingHooks
from training.pool import Pool, load_pool
from training.pool.drawing import draw_pool, remove_drawing
from training.pool.report import tells_of_teacher, write_pool_report
from training.pool.sources import gather_sources, reserved_queries
from training.progress import progress_bar, training_bar
from training.provenance import backbone_digests
from training.report.data import POOL_REPORT
from training.run_directory import MANIFEST, STAGES, RunDirectory, Stage, StageName, write_json
from training.splits import Split, held_out_digest, split_as_ever, split_by_query, without_queries
from training.stage_files import check_digests, model_digests
from training.student import (
    StudentTask,
    check_start,
    initial_student,
    load_student,
    save_student,
    shape_of,
    student_rule,
    train_student,
    with_human_targets,
)
from training.teacher import Teacher, TeacherTask, check_members, load_teacher, train_teacher

SETTINGS = "settings.json"
"""All settings of a run with this machine's paths, for `--resume` from any folder; the fingerprint has no paths."""

log = logging.getLogger("aisle.training")


@dataclass(frozen=True, slots=True)
class Run:
    """What every stage needs: the settings, the split data and the run directory."""

    settings: DistillSettings
    split: Split
    directory: RunDirectory


def open_run(settings: DistillSettings, run_directory: Path) -> Run:
    """Read and split the data, and take up or begin the run directory; what can not work is refused here."""
    check_members(settings.teacher)
    check_start(settings)
    check_query_logs(settings.query_logs)
    split = load_split(settings)
    held_out, backbones = held_out_digest(split), backbone_digests(settings)
    fingerprint = {
        "settings": settings.weight_settings(),
        "data": data_digests(settings),
        "backbones": backbones,
        "held_out_queries": held_out,
    }
    # A run from before a setting existed did what the setting's default does. It did not say what it began with, nor
    # what it held out.
    earlier = {
        "settings": DistillSettings().weight_settings(),
        "backbones": backbones,
        "held_out_queries": held_out if split_as_ever(split) else None,
    }
    with main_first():
        directory = RunDirectory(run_directory, fingerprint, earlier)
        if is_main():
            write_json(run_directory / SETTINGS, settings.with_absolute_paths())
    log.info("%d judged pairs to learn from, %d held out", len(split.train.judgements), len(split.held_out.judgements))
    return Run(settings, split, directory)


def load_split(settings: DistillSettings) -> Split:
    """The judged data in two, by query."""
    return split_of(load_dataset(settings), settings)


def split_of(judged: Dataset, settings: DistillSettings) -> Split:
    """The run's judged data in two, by query."""
    split_seed = settings.seed if settings.split_seed is None else settings.split_seed
    return split_by_query(judged, settings.held_out_fraction, split_seed, settings.fold)


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
    system = student_system(student, student_rule(run.directory.path / "student", run.settings.student))
    with main_first():
        evaluation = evaluate_run(run.directory.stage("evaluation"), run.settings, run.split, teacher, system)
    yield "evaluation"
    with main_first():
        if is_main():
            export_run(run.directory, run.settings, run.split, evaluation)
    yield "export"


def check_can_start(settings: DistillSettings, run_directory: Path, wanted: tuple[StageName, ...]) -> None:
    """RunDirectoryError if a stage that the wanted ones need is neither wanted nor finished.

    A stage is made anew after an unfinished one, so it has to be wanted too: nothing long is redone unasked.
    """
    missing: list[StageName] = []
    remade: list[StageName] = []
    for name in STAGES[: max(map(STAGES.index, wanted)) + 1]:
        apart = name == "teacher" and not settings.teacher.needs_pool
        if (run_directory / name / MANIFEST).exists() and (not remade or apart):
            continue
        (remade if name in wanted else missing).append(name)
    if missing:
        raise RunDirectoryError(
            f"--stages {','.join(wanted)} needs {', '.join(missing)}, not finished in {run_directory}: name them too"
        )


def pool_stage(run: Run) -> Pool:
    """Draw the pool, or load it."""
    with main_first():
        # A teacher that learnt nothing from the pool may have been trained before it is drawn.
        independent: tuple[StageName, ...] = () if run.settings.teacher.needs_pool else ("teacher",)
        stage = run.directory.stage("pool", independent)
        if not stage.finished:
            log.info("pool: gathering queries and candidates")
            draw_pool(gather_sources(run.settings, run.split), run.settings, BiEncoder(), stage, progress_bar)
        elif is_main():
            # Labels that are there belong to these very pairs.
            check_digests(stage.directory, stage.manifest(), stage.directory)
            remove_drawing(stage)
    return load_pool(stage)


def teacher_stage(run: Run, pool: Pool | None) -> Teacher:
    """Fine-tune the teacher's members one after another, or load them; no pool if `needs_pool` is false."""
    stage, finished = _trained_together(run, "teacher")
    if not finished:
        judged = judged_for_teacher(run.settings, run.split)
        train_teacher(TeacherTask(judged, pool, run.settings.teacher, run.settings.seed), stage, training_hooks)
    return load_teacher(stage)


def labels_stage(run: Run, pool: Pool, teacher: Teacher) -> Logits:
    """Label the pool, or load its labels."""
    with main_first():
        stage = run.directory.stage("labels")
        if not stage.finished:
            with progress_bar("labels", len(pool)) as progress:
                label_pool(teacher, pool, stage, progress, run.settings.labelling)
        report = run.directory.path / POOL_REPORT
        # Whenever it lacks them: a kill may have come between the labels and their report.
        if is_main() and not tells_of_teacher(report):
            write_pool_report(pool, load_labels(stage), report)
    return load_labels(stage)


def student_stage(run: Run, pool: Pool, teacher: Teacher, labels: Logits) -> CrossEncoder:
    """Distil the student, or load it."""
    stage, finished = _trained_together(run, "student")
    if not finished:
        settings = run.settings.student
        student = initial_student(teacher, run.settings, pool.products)
        learnt = with_human_targets(pool, run.split.train) if settings.human_weight else pool
        with training_hooks(stage, "student") as hooks:
            train_student(student, StudentTask(learnt, labels, settings, run.settings.seed), hooks)
            with main_first():
                if is_main():
                    save_student(student, stage.directory, settings.backbone)
                    digests = model_digests(stage.directory)
                    stage.finish({**shape_of(settings), "pool_pairs": len(pool), "sha256": digests})
    return load_student(stage.directory, run.settings.student)


def _trained_together(run: Run, name: StageName) -> tuple[Stage, bool]:
    """The folder of a stage that all processes make together, and whether it is finished: the same answer in all.

    Were each to look for itself, process 0 might have finished the stage before a slow one looks, which then leaves it
    out.
    """
    with main_first():
        stage = run.directory.stage(name)
        finished = stage.finished
    return stage, as_main_says(finished)


@contextmanager
def training_hooks(stage: Stage, title: str) -> Iterator[TrainingHooks]:
    """Progress and checkpoints of one training, whose checkpoint goes once it ended well."""
    checkpoints = CheckpointStore(stage.directory / "checkpoint.pt")
    with training_bar(title) as bar:
        yield TrainingHooks(checkpoints=checkpoints, observers=[bar, LossLog(stage.directory / LOSSES)])
    if is_main():
        checkpoints.clear()


def judged_for_teacher(settings: DistillSettings, split: Split) -> list[Dataset]:
    """The dataset's judgements, and the synthetic catalogue's true relevance for the rest of the shop."""
    if settings.data == "synthetic" or not settings.teacher.synthetic_judged_queries:
        return [split.train]
    size = SyntheticSize(queries=settings.teacher.synthetic_judged_queries, log_queries=0)
    return [split.train, without_queries(build_synthetic(settings.seed + 1, size), reserved_queries(split))]
