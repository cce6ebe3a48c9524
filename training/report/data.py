"""What a report is made from: the files that a finished run left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.errors import RunDirectoryError
from training.evaluation.scored_pairs import SCORES, ScoredPairs, load_scores
from training.optimise.loss_log import LOSSES, read_losses
from training.run_directory import FINGERPRINT, Stage, started_with
from training.stage_files import text_of

POOL_REPORT = Path("pool") / "report.md"
FIGURES = ("held_out", "general", "evaluated", "tests", "slices", "calibration_errors")
"""Parts of the evaluation's manifest that a report shows."""
TRAINED_STAGES = ("teacher", "student")


@dataclass(frozen=True, slots=True)
class RunData:
    """One run's results. `figures` is the evaluation stage's manifest, where an undefined number is None.

    `losses` is stage → (step, loss) of the stages that logged them.
    """

    name: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Any]
    held_out: ScoredPairs
    losses: Mapping[str, Sequence[tuple[int, float]]]
    pool_report: str | None


def read_run(directory: Path) -> RunData:
    """Read a run whose evaluation is finished; RunDirectoryError says what is missing and what to do."""
    stage = Stage(directory / "evaluation")
    if not stage.finished:
        raise RunDirectoryError(
            f"{directory} holds no finished evaluation; run python -m training.distill --resume --run-dir {directory} "
            "first"
        )
    scores = load_scores(stage.directory / SCORES)
    # A teacher's members are folders of its stage.
    logs = {
        path.parent.relative_to(directory).as_posix(): path
        for name in TRAINED_STAGES
        for path in sorted((directory / name).rglob(LOSSES))
    }
    pool_report = directory / POOL_REPORT
    return RunData(
        name=directory.resolve().name,
        settings=_settings(directory),
        figures=stage.manifest(needs=FIGURES),
        held_out=scores["held_out"],
        losses={name: read_losses(path) for name, path in logs.items()},
        pool_report=text_of(pool_report) if pool_report.exists() else None,
    )


def _settings(run: Path) -> Mapping[str, Any]:
    settings = started_with(run).get("settings")
    if not isinstance(settings, dict):
        raise RunDirectoryError(f"{run / FINGERPRINT} holds no settings, so {run} is no run directory")
    return settings
