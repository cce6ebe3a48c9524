from __future__ import annotations

from pathlib import Path

import pytest

from training.config import DistillSettings
from training.errors import RunDirectoryError
from training.run_directory import STAGES, RunDirectory, StageName
from training.stages import check_can_start

NEEDS_POOL = DistillSettings()
NEEDS_NONE = DistillSettings.model_validate({"teacher": {"warm_up_pairs": 0, "retention_share": 0.0}})


def finished(path: Path, *names: StageName) -> Path:
    run = RunDirectory(path, {})
    for name in names:
        run.stage(name, independent=STAGES).finish({})
    return path


@pytest.mark.parametrize(
    ("there", "wanted", "missing"),
    [
        ((), ("labels",), "pool, teacher"),
        (("pool",), ("labels",), "teacher"),
        (("pool", "teacher"), ("pool", "student"), "labels"),
        # The teacher would be trained again after a new pool, which nobody asked for.
        (("teacher",), ("pool", "labels"), "teacher"),
    ],
)
def test_what_the_wanted_stages_need_is_named(
    tmp_path: Path, there: tuple[StageName, ...], wanted: tuple[StageName, ...], missing: str
) -> None:
    with pytest.raises(RunDirectoryError, match=f"needs {missing}, not finished"):
        check_can_start(NEEDS_POOL, finished(tmp_path, *there), wanted)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), STAGES),
        (("pool", "teacher"), ("labels",)),
        (("pool", "teacher", "labels"), ("student", "evaluation")),
        (("pool", "teacher", "labels"), ("pool",)),
    ],
)
def test_what_is_there_or_wanted_is_enough(
    tmp_path: Path, there: tuple[StageName, ...], wanted: tuple[StageName, ...]
) -> None:
    check_can_start(NEEDS_POOL, finished(tmp_path, *there), wanted)


def test_a_teacher_that_learnt_nothing_from_the_pool_outlives_it(tmp_path: Path) -> None:
    check_can_start(NEEDS_NONE, finished(tmp_path, "teacher"), ("pool", "labels"))
