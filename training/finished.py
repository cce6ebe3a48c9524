"""What a finished run holds: its teacher and its students to score with, and the queries that it has learnt from."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from training.config import DistillSettings, StudentSettings
from training.datasets.loading import data_digests, load_dataset
from training.datasets.schema import Dataset
from training.errors import ConfigError, DataError, RunDirectoryError
from training.evaluation.evaluate import System
from training.finish import student_system
from training.pool import load_pool
from training.run_directory import VARIANTS, Stage, started_with
from training.splits import without_queries
from training.stages import judged_for_teacher, split_of
from training.student import load_student, student_rule
from training.teacher import Teacher, load_teacher

QUERIES_TOLD = 5

log = logging.getLogger("aisle.training")


def teacher_of(run: Path) -> Teacher:
    """The run's teacher; RunDirectoryError if it is not finished."""
    stage = Stage(run / "teacher")
    if not stage.finished:
        raise RunDirectoryError(f"{run} has not finished its teacher; finish it first, with --resume")
    return load_teacher(stage)


def students_of(run: Path, settings: DistillSettings, names: Sequence[str] | None = None) -> dict[str, System]:
    """The run's finished students by name: its own, and those that a study trained; all if no names are given.

    ConfigError if there is none of a name.
    """
    there = dict(_students(run, settings))
    if unknown := [name for name in names or () if name not in there]:
        raise ConfigError(f"--only names {unknown[0]}, but {run} has finished {', '.join(there) or 'no student'}")
    return {name: _system(*there[name]) for name in (there if names is None else names)}


def _students(run: Path, settings: DistillSettings) -> Iterator[tuple[str, tuple[Path, StudentSettings]]]:
    """Name, folder and settings of each finished one."""
    if (own := Stage(run / "student")).finished:
        yield "student", (own.directory, settings.student)
    for folder in sorted((run / VARIANTS).glob("*/")):
        # What a study read of its teacher lies there too, and is of no student.
        if (stage := Stage(folder)).finished and (changed := stage.manifest().get("student")):
            yield folder.name, (folder, StudentSettings.model_validate(changed))


def _system(directory: Path, settings: StudentSettings) -> System:
    return student_system(load_student(directory, settings), student_rule(directory, settings))


def data_of_run(run: Path, settings: DistillSettings) -> Dataset:
    """The run's own judgements; an error if they are gone, or others than it was started with."""
    try:
        dataset = load_dataset(settings)
    except ConfigError as error:
        raise ConfigError(f"what {run} has learnt from must still be there, to leave it out: {error}") from error
    # The pool has the queries of the logs, which may be gone.
    there = data_digests(settings.model_copy(update={"query_logs": ()}))
    # Another set of queries is split otherwise: some that were learnt from would count as held out.
    if there and (changed := _changed(there, started_with(run).get("data", {}))):
        raise DataError(
            f"{settings.data} is no longer what {run} was started with (changed: {', '.join(changed)}), so what it has "
            "learnt from is not known; put that back, and name newer judgements, in a folder of their own, as --data"
        )
    return dataset


def _changed(there: Mapping[str, str], started: Mapping[str, str]) -> list[str]:
    return sorted(name for name, digest in there.items() if started.get(name) != digest)


def learnt_queries(run: Path, settings: DistillSettings, judged: Dataset) -> set[str]:
    """Every query that the run's teacher or students have learnt from, of its own `judged` ones or not."""
    pool = Stage(run / "pool")
    asked = set(load_pool(pool).queries) if pool.finished else set()
    return asked.union(*(dataset.by_query() for dataset in judged_for_teacher(settings, split_of(judged, settings))))


def unseen(dataset: Dataset, learnt: set[str]) -> Dataset:
    """The judgements of queries that nothing was learnt from, nor from a near-duplicate; DataError if none is left."""
    left = without_queries(dataset, learnt)
    queries, all_queries = left.by_query(), dataset.by_query()
    if not left.judgements:
        raise DataError(f"dataset {dataset.name}: the run has learnt from all of its {len(all_queries)} queries")
    log.info(
        "%s: %d of %d queries are read%s",
        dataset.name,
        len(queries),
        len(all_queries),
        _without(all_queries.keys() - queries.keys()),
    )
    return left


def _without(queries: Collection[str]) -> str:
    if not queries:
        return ""
    some = ", ".join(map(repr, sorted(queries)[:QUERIES_TOLD])) + (", …" if len(queries) > QUERIES_TOLD else "")
    return f"; the run has learnt from the others, or from nearly the same: {some}"
