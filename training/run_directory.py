"""The run directory: one folder a stage, each finished by a manifest written last.

A run that was killed goes on from its finished stages. A run directory remembers the settings and the
data that it was started with; anything else is refused, so that two runs never mix.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from relevance.disk_errors import has_remedy, remedy
from training.errors import ProcessError, RunDirectoryError
from training.optimise.distributed import is_main, process

FINGERPRINT = "run.json"
MANIFEST = "manifest.json"
VARIANTS = "variants"
"""Folder of a study's students and of what was read of its teacher, one folder each."""
MADE_OF = "made-of.json"
"""Which labels a variant's folder was made from, and by which settings of the student."""
LOCK = "run.lock"
"""Held by the command that is at work there (training/run_lock.py)."""

StageName = Literal["pool", "teacher", "labels", "student", "evaluation", "export"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""In the order in which each one needs those before it."""

log = logging.getLogger("aisle.training")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's folder."""

    directory: Path

    @property
    def finished(self) -> bool:
        """Whether the stage's manifest is there: it is written after everything else."""
        return (self.directory / MANIFEST).is_file()

    def manifest(self, needs: Collection[str] = (), redo: Path | None = None) -> dict[str, Any]:
        """What the finished stage wrote of itself; RunDirectoryError if it is missing, damaged or lacks one of `needs`.

        `redo`: what to delete in that case, if that is not the stage's own folder.
        """
        path = self.directory / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError(f"it holds no object but {content!r:.40}")
            if lacking := [key for key in needs if key not in content]:
                raise ValueError(f"it lacks {lacking[0]!r}")
        except (OSError, ValueError) as error:
            mend = f"delete {redo or self.directory} to redo it"
            if isinstance(error, OSError) and has_remedy(error):
                mend = remedy(error)
            raise RunDirectoryError(f"{path} cannot be read ({error}); {mend}") from error
        return content

    def reopen(self) -> None:
        """Mark the stage as not done, before what it made is made anew."""
        (self.directory / MANIFEST).unlink(missing_ok=True)

    def finish(self, content: Mapping[str, Any]) -> None:
        """Mark the stage as done."""
        write_json(self.directory / MANIFEST, content)


class RunDirectory:
    """A folder that belongs to one set of settings and data."""

    def __init__(self, path: Path, fingerprint: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        """`defaults`: what a fingerprint written before a setting existed is taken to say of it."""
        self.path = path
        self.fingerprint = _as_json(fingerprint)
        self._defaults = _as_json(defaults or {})
        make_folder(path)
        with used_by_this_user(path):
            self._take_up()

    def _take_up(self) -> None:
        path, marker = self.path, self.path / FINGERPRINT
        if not is_main():
            self._check_same_as_main(marker)
            return
        if marker.exists():
            if _read_json(marker) == self.fingerprint:
                # Written by an earlier start.
                return
            self._refuse_changes(self.changed_since(path))
        elif any(entry.name not in (f"{FINGERPRINT}.partial", LOCK) for entry in path.iterdir()):
            raise RunDirectoryError(f"{path} is not empty and is no run directory; choose another --run-dir")
        write_json(marker, self.fingerprint)

    def _check_same_as_main(self, marker: Path) -> None:
        """ProcessError if this process would go on with another run than process 0, which has taken it up already.

        Nothing later would tell: each goes through its share of its own batches, and all gradients are summed.
        """
        if not marker.exists():
            raise ProcessError(
                f"process {process()} does not see {marker}, which process 0 wrote: put the run directory on a file "
                "system that all processes share"
            )
        # What process 0 took up may lack settings that did not exist when it was written.
        if changed := self.changed_since(self.path):
            raise ProcessError(
                f"process {process()} was given other settings or data than process 0 (they differ in "
                f"{', '.join(changed)}): give all processes the same command and the same files"
            )

    def changed_since(self, earlier: Path) -> list[str]:
        """Dotted names of the settings and data in which the run in `earlier` was started otherwise."""
        return sorted(_differences(completed(started_with(earlier), self._defaults), self.fingerprint))

    def stage(self, name: StageName, independent: Collection[StageName] = ()) -> Stage:
        """The folder of a stage, made if need be.

        Stages after an unfinished one are removed: they were made from something that is about to change.
        `independent` names those that were not.
        """
        stage = Stage(self.path / name)
        with used_by_this_user(self.path):
            stage.directory.mkdir(exist_ok=True)
            if not stage.finished:
                self._remove([later for later in STAGES[STAGES.index(name) + 1 :] if later not in independent], name)
        return stage

    def _remove(self, later: Sequence[StageName], unfinished: StageName) -> None:
        if gone := [name for name in later if _holds_files(self.path / name)]:
            message = "%s: removed %s, made from what the unfinished stage %s now makes anew"
            log.warning(message, self.path, ", ".join(gone), unfinished)
        for name in later:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def _refuse_changes(self, changed: Sequence[str]) -> None:
        """Before there is any work, settings may be mended; unfinished work is hours of it too, and nobody's to delete
        but the user's."""
        begun = [name for name in STAGES if _holds_files(self.path / name)]
        if changed and begun:
            raise RunDirectoryError(
                f"{self.path} was started with other settings or data (changed: {', '.join(changed)}) and holds what "
                f"was made by these ({', '.join(begun)}); use another --run-dir, or delete this one to start over"
            )


def started_with(run: Path) -> Mapping[str, Any]:
    """Settings and data of the run in that folder; RunDirectoryError if it is none, or damaged."""
    return _read_json(run / FINGERPRINT)


def _holds_files(directory: Path) -> bool:
    return any(path.is_file() for path in directory.rglob("*"))


def make_folder(path: Path) -> None:
    """Make the folder of a run directory; RunDirectoryError if that can not be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"{path} can not be made a run directory ({error.strerror}); choose another --run-dir"
        ) from error


@contextmanager
def used_by_this_user(path: Path) -> Iterator[None]:
    """RunDirectoryError if a run directory may not be looked into, or nothing may be made in it."""
    try:
        yield
    except OSError as error:
        raise RunDirectoryError(
            f"{error.filename or path} cannot be used ({error.strerror}); {remedy(error)}, or choose another --run-dir"
        ) from error


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write atomically: a kill leaves the old file or the new one, never half of one."""
    with whole_file(path) as partial:
        partial.write_text(json.dumps(without_nan(content), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a `.partial` to write, which becomes `path` when the block ends well, and is removed when it does not.

    RunDirectoryError if the disk does not take it: full, over quota, read-only.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise RunDirectoryError(
            f"{path} cannot be written ({error.strerror or error}); {remedy(error)}: what is finished is kept"
        ) from error
    finally:
        # After success there is none; half a file must not go on filling a full disk. A disk that is read-only refuses
        # this too, and what was refused first is what to say.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def without_nan(content: Any) -> Any:
    """The same JSON tree with null for what is no number, as JSON has no nan."""
    if isinstance(content, Mapping):
        return {key: without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def _as_json(content: Any) -> Any:
    """What reading it back from a file gives: lists where there were tuples."""
    return json.loads(json.dumps(content))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except PermissionError as error:
        raise RunDirectoryError(f"{path} cannot be read ({error.strerror}); {remedy(error)}") from error
    except OSError as error:
        raise RunDirectoryError(f"{path} cannot be read ({error}), so {path.parent} is no run directory") from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, "it holds no settings")
    return content


def _damaged(path: Path, reason: str) -> RunDirectoryError:
    """Nothing else tells what data a run was started with, so it is not for us to write anew."""
    return RunDirectoryError(
        f"{path} is damaged ({reason}); if settings and data are still those of then, copy the {FINGERPRINT} here that "
        f"the same command writes with another --run-dir, else delete {path.parent} to start over"
    )


def completed(old: Any, defaults: Any) -> Any:
    """The old JSON tree with the values of `defaults` where it says nothing."""
    if not (isinstance(old, dict) and isinstance(defaults, dict)):
        return old
    return {**defaults, **{key: completed(value, defaults.get(key)) for key, value in old.items()}}


def _differences(old: Any, new: Any, prefix: str = "") -> set[str]:
    """Dotted names of the values in which two JSON trees differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {
            name
            for key in old.keys() | new.keys()
            for name in _differences(old.get(key), new.get(key), f"{prefix}.{key}" if prefix else key)
        }
    return set() if old == new else {prefix}
