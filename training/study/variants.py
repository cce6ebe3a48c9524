"""Students of one teacher that differ in one thing: how much of the pool they see, or by which loss they learn.

A study trains them on nested parts of one labelled pool and reads them on the same held-out queries.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from training.checks import general_check
from training.config import CROSS_ENCODERS_ONLY, DistillSettings, StudentSettings
from training.config_file import problems_of
from training.datasets.schema import Dataset
from training.errors import ConfigError, DivergenceError, RunDirectoryError
from training.evaluation.evaluate import System, baselines, evaluate
from training.finish import student_system
from training.models.backbone import load_pair_encoder
from training.models.cross_encoder import Logits
from training.pool import Pool
from training.run_directory import MADE_OF, Stage, completed, write_json
from training.splits import Split
from training.stage_files import model_digests, reading
from training.stages import training_hooks
from training.student import StudentTask, check_start, initial_student, save_student, train_student, with_human_targets
from training.teacher import Teacher

log = logging.getLogger("aisle.training")

READ = ("held_out", "general")
"""Sets of judgements that every student is read on: parts of its manifest."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One student: `multiple` unjudged pool pairs for each judged one, and settings that differ from the run's."""

    name: str
    multiple: int
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What all variants of one seed share. `labels` (len(pool),) are the pool's, `labels_digest` is their sha256.

    `least_pairs`: a small part of the pool is gone through until so many pairs were seen, so that little data
    does not also mean little training.
    """

    settings: DistillSettings
    split: Split
    pool: Pool
    labels: Logits
    labels_digest: str
    teacher: Teacher
    least_pairs: int

    @property
    def judged_pairs(self) -> int:
        """Number of judged pairs that the split leaves to learn from."""
        return len(self.split.train.judgements)

    def check_holds(self, multiple: int) -> None:
        """ConfigError if the pool has fewer than `multiple` unjudged pairs for each judged one: it is another run's."""
        if len(self.pool) < (1 + multiple) * self.judged_pairs:
            raise ConfigError(
                f"the pool holds {len(self.pool)} pairs, {self.judged_pairs} of them judged: too few for {multiple} "
                "times as many others; name smaller ones as --multiples and --multiple"
            )


def part_of_pool(pool: Pool, judged_pairs: int, multiple: int, seed: int) -> npt.NDArray[np.int64]:
    """Rows of the judged pairs and of `multiple` times as many others, whole queries.

    The judged pairs are the pool's first. A seed draws the others in one order for every multiple, so that
    the smaller part lies within the larger.
    """
    ends = pool.starts[1:]
    first = int(np.searchsorted(ends, judged_pairs)) + 1
    others = first + np.random.default_rng(seed).permutation(len(ends) - first)
    sizes = np.diff(ends, prepend=0)
    taken = others[: int(np.searchsorted(np.cumsum(sizes[others]), multiple * judged_pairs, side="right"))]
    chosen = [*range(first), *sorted(taken.tolist())]
    return np.concatenate([np.arange(pool.groups[group].start, pool.groups[group].stop) for group in chosen])


def only_rows(pool: Pool, rows: npt.NDArray[np.int64]) -> Pool:
    """The pool with these pairs alone."""
    columns = {name: getattr(pool, name)[rows] for name in ("query_of", "product_of", "cosine", "source")}
    return replace(pool, **columns, human=None if pool.human is None else pool.human[rows])


def check_variants(settings: DistillSettings, variants: Sequence[Variant]) -> None:
    """ConfigError, which names the variant, if one can not be trained: said before hours of training the teacher."""
    for variant in variants:
        try:
            student = changed_student(settings, variant)
            _check_read(settings.student, student)
            check_start(settings.model_copy(update={"student": student}))
        except ConfigError as error:
            raise ConfigError(f"{variant.name}: {error}") from error


def _check_read(own: StudentSettings, changed: StudentSettings) -> None:
    """ConfigError if a split student is to differ from the run's in what it does not read: it would be the same one."""
    unread = [name for name in CROSS_ENCODERS_ONLY if getattr(changed, name) != getattr(own, name)]
    if changed.kind == "split" and unread:
        raise ConfigError(
            f"it differs by student.{unread[0]}, which a split student does not read; study cross-encoders "
            "(student.kind = 'cross-encoder'), or split students by training.study split and split-details"
        )


def changed_student(settings: DistillSettings, variant: Variant, **further: Any) -> StudentSettings:
    """The run's student with the variant's changes; ConfigError if they do not go together."""
    try:
        return StudentSettings.model_validate({**settings.student.model_dump(), **variant.changes, **further})
    except ValidationError as error:
        raise ConfigError(problems_of(error)) from error


def run_variant(laboratory: Laboratory, variant: Variant, directory: Path) -> dict[str, Any]:
    """Train and read one variant, or load what was read; a killed one goes on from its checkpoint."""
    rows = part_of_pool(laboratory.pool, laboratory.judged_pairs, variant.multiple, laboratory.settings.seed)
    settings = with_minimum_pairs(laboratory, variant, len(rows))
    stage = _stage(directory, {"labels": laboratory.labels_digest, "student": settings.model_dump(mode="json")})
    if stage.finished:
        return stage.manifest(needs=("pairs", *READ))
    changed = laboratory.settings.model_copy(update={"student": settings})
    student = initial_student(laboratory.teacher, changed, laboratory.pool.products)
    with training_hooks(stage, f"{directory.parent.parent.name} {variant.name}") as hooks:
        pool = laboratory.pool
        if settings.human_weight:
            pool = with_human_targets(pool, laboratory.split.train)
        part, labels = only_rows(pool, rows), laboratory.labels[rows]
        with _told_of(variant):
            train_student(student, StudentTask(part, labels, settings, laboratory.settings.seed), hooks)
        system = student_system(student, load_pair_encoder(settings.template, settings.backbone))
        readings = read(laboratory.split, lambda _: {"student": system})
        save_student(student, directory, settings.backbone)
        told = {"pairs": len(rows), "student": settings.model_dump(mode="json"), "sha256": model_digests(directory)}
        stage.finish({**told, **readings})
    return stage.manifest()


@contextmanager
def _told_of(variant: Variant) -> Iterator[None]:
    """Say of a loss that is no number whose it is, and how the others of its study go on."""
    try:
        yield
    except DivergenceError as error:
        raise DivergenceError(
            f"{variant.name}: {error.found}",
            "A study keeps its students' settings: leave this one out with --only",
        ) from error


def read_references(laboratory: Laboratory, directory: Path) -> dict[str, Any]:
    """Read the teacher and the baselines, or load what was read."""
    stage = _stage(directory, {"labels": laboratory.labels_digest})
    if not stage.finished:
        teacher = laboratory.teacher

        def systems(dataset: Dataset) -> Mapping[str, System]:
            return {**baselines(dataset, teacher.bi_encoder, laboratory.settings.seed), "teacher": teacher.score}

        stage.finish(read(laboratory.split, systems))
    return stage.manifest(needs=READ)


def read(split: Split, systems: Callable[[Dataset], Mapping[str, System]]) -> dict[str, Any]:
    """Per-query values of every metric: `held_out` and `general` → metric → system → list over queries."""

    def values(dataset: Dataset) -> dict[str, dict[str, list[float]]]:
        evaluation = evaluate(dataset, systems(dataset))
        return {m: {name: v.tolist() for name, v in by.items()} for m, by in evaluation.values.items()}

    return {"held_out": values(split.held_out), "general": values(general_check())}


def with_minimum_pairs(laboratory: Laboratory, variant: Variant, pairs: int) -> StudentSettings:
    """The run's student settings with the variant's changes, one epoch or as many as `least_pairs` asks for."""
    epochs = max(1, -(-laboratory.least_pairs // pairs))
    own = laboratory.settings.student
    if (own.epochs, own.max_steps) != (epochs, None):
        log.info(
            "%s: %d epochs of its %d pairs, as every student of a study sees %d at the least; student.epochs = %d and "
            "student.max_steps = %s do not count here",
            *(variant.name, epochs, pairs, laboratory.least_pairs, own.epochs, own.max_steps),
        )
    return changed_student(laboratory.settings, variant, epochs=epochs, max_steps=None)


def _stage(directory: Path, made_of: Mapping[str, Any]) -> Stage:
    """The folder of what was read, emptied if that is of other labels or of another student under the same name."""
    directory.mkdir(parents=True, exist_ok=True)
    stage, marker = Stage(directory), directory / MADE_OF
    if marker.exists():
        if _made_before(marker, made_of) == json.loads(json.dumps(made_of)):
            return stage
        log.warning("%s: removed, made from other labels or by other settings of the student", directory)
    elif stage.finished:
        raise RunDirectoryError(
            f"{marker} is not there, which tells of what labels the finished student was made; restore it, or delete "
            f"{directory} to make it anew"
        )
    elif any(directory.iterdir()):
        log.warning("%s: removed, it is not finished and nothing tells of what labels it was made", directory)
    shutil.rmtree(directory)
    directory.mkdir()
    write_json(marker, made_of)
    return stage


def _made_before(marker: Path, made_of: Mapping[str, Any]) -> Any:
    """What an earlier start made; a setting that there was not yet had the value that it has by default."""
    defaults = {"student": StudentSettings().model_dump(mode="json")} if "student" in made_of else {}
    with reading(marker, marker.parent):
        told = json.loads(marker.read_text(encoding="utf-8"))
        if not isinstance(told, dict):
            raise ValueError(f"it holds no object but {told!r:.40}")
    return completed(told, defaults)
