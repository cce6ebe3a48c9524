"""`python -m training.checks.contrast`: how often each model puts the right title first, slice by slice.

`--student` takes the folder of any trained student: of a run (`RUN/student`) or of a study's variant
(`RUN/seed-0/variants/NAME`). The run directory gives the settings by which students read a pair, and its teacher,
if that is finished. The zero-shot cosine is always there.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from training.checks.contrast import SLICES
from training.checks.contrast.accuracy import as_json, contrast_accuracies, table
from training.command_line import run_command, settings_of_run, thread_count
from training.config import DistillSettings, StudentSettings
from training.config_file import load_settings
from training.errors import ConfigError
from training.evaluation.evaluate import System
from training.finish import student_system
from training.models.bi_encoder import BiEncoder
from training.run_directory import Stage, without_nan
from training.student.files import kind_of, load_student, student_rule
from training.teacher import load_teacher

log = logging.getLogger("aisle.training")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, score, print the table and one JSON line last."""
    return run_command(_parser().parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    if options.list:
        print("\n".join(_listed()))
        return
    accuracies = contrast_accuracies(_systems(options))
    print(table(accuracies))
    print(json.dumps(without_nan(as_json(accuracies))))


def _listed() -> Iterator[str]:
    """Every case for people to check: the query, the right title, the others."""
    for name, make in SLICES.items():
        yield f"\n## {name}\n"
        for case in make():
            yield f"- `{case.query}`: **{case.right}**; {'; '.join(case.wrong)}"


def _systems(options: argparse.Namespace) -> dict[str, System]:
    systems: dict[str, System] = {"cosine": BiEncoder().title_cosines}
    if (teacher := _teacher(options.run_dir)) is not None:
        systems["teacher"] = teacher
    settings = _settings(options).student
    for given in options.student:
        name, _, folder = given.partition("=")
        if not name or not folder:
            raise ConfigError(f"--student takes NAME=DIR, got {given!r}")
        if name in systems:
            raise ConfigError(f"--student: there are two systems {name!r}; choose another name")
        systems[name] = _student(Path(folder), settings)
    return systems


def _settings(options: argparse.Namespace) -> DistillSettings:
    if options.config is None and options.run_dir is not None:
        return settings_of_run(options.run_dir)
    return load_settings(options.config, {})


def _teacher(run_directory: Path | None) -> System | None:
    if run_directory is None:
        return None
    stage = Stage(run_directory / "teacher")
    if not stage.finished:
        log.info("%s holds no finished teacher", run_directory)
        return None
    return load_teacher(stage).score


def _student(directory: Path, settings: StudentSettings) -> System:
    """Whatever kind the run's own student is, the folder says what lies in it."""
    own = settings.model_copy(update={"kind": kind_of(directory)})
    return student_system(load_student(directory, own), student_rule(directory, settings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.checks.contrast", description=__doc__)
    parser.add_argument("--student", action="append", default=[], metavar="NAME=DIR", help="repeatable")
    parser.add_argument("--run-dir", type=Path, help="a run, or one seed of a study: its settings and its teacher")
    parser.add_argument("--config", type=Path, help="TOML file with the students' settings, instead of the run's")
    parser.add_argument("--list", action="store_true", help="print the cases and score nothing")
    parser.add_argument("--threads", type=thread_count, help="CPU threads for torch")
    return parser


if __name__ == "__main__":
    sys.exit(main())
