"""Another student of labels that are there: an earlier run's pool, teacher and labels, taken over into a new one.

Labels cost more than a student. Files are linked where the disk allows it, so they take no room a second time;
finished stages are never written to again.
"""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from relevance.disk_errors import remedy
from training.errors import RunDirectoryError
from training.optimise.distributed import is_main, main_first
from training.run_directory import MANIFEST, RunDirectory, StageName, started_with
from training.stage_files import reason_of

OF_THE_STUDENT = ("settings.student.", "backbones.student")
"""How the names begin of what an earlier run may differ in."""

SHARED: tuple[StageName, ...] = ("pool", "teacher", "labels")
"""Stages that no setting of the student decides."""

log = logging.getLogger("aisle.training")


def take_over(run: RunDirectory, earlier: Path) -> None:
    """Take over what `run` has not finished of `SHARED`; RunDirectoryError if it would have been made otherwise."""
    with main_first():
        if is_main():
            _check(run, earlier)
            for name in SHARED:
                if not run.stage(name).finished:
                    _link(earlier / name, run.path / name)
                    log.info("%s: taken over from %s", name, earlier)


def check_earlier(run_directory: Path, earlier: Path) -> None:
    """RunDirectoryError if there is nothing to take over in `earlier`: said before the new run is begun."""
    if earlier.resolve() == run_directory.resolve():
        raise RunDirectoryError(f"--labels-of is {earlier}, the run itself; name an earlier run")
    started_with(earlier)
    unfinished = [name for name in SHARED if not (earlier / name / MANIFEST).is_file()]
    if unfinished:
        raise RunDirectoryError(f"{earlier} has not finished {', '.join(unfinished)}; finish it first, with --resume")


def _check(run: RunDirectory, earlier: Path) -> None:
    check_earlier(run.path, earlier)
    changed = [name for name in run.changed_since(earlier) if not name.startswith(OF_THE_STUDENT)]
    if changed:
        raise RunDirectoryError(
            f"the labels of {earlier} were made with other settings or data (changed: {', '.join(changed)}); "
            "only student settings may differ"
        )


def _link(source: Path, target: Path) -> None:
    """A folder as links; it is there whole or not at all, should this be killed."""
    partial = target.with_name(f"{target.name}.partial")
    for unfinished in (partial, target):
        shutil.rmtree(unfinished, ignore_errors=True)
    try:
        shutil.copytree(source, partial, copy_function=_link_or_copy)
        partial.rename(target)
    except OSError as error:
        raise _not_taken_over(source, target, error) from error
    finally:
        # After success there is none; half a copy must not go on filling a full disk.
        shutil.rmtree(partial, ignore_errors=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        # Another file system, or one without links.
        try:
            shutil.copy2(source, target)
        except OSError as error:
            # Said at once: copytree would go on with the other files, and tell no error number of any.
            raise _not_taken_over(source, target, error) from error


def _not_taken_over(source: Path | str, target: Path | str, error: OSError) -> RunDirectoryError:
    return RunDirectoryError(f"{source} cannot be copied to {target} ({reason_of(error)}); {remedy(error)}")
