"""The run directory: one folder a stage, each finished by a manifest written last.

A run that was killed goes on from its finished stages. A run directory remembers the settings and the
data that it was started with; anything else is refused, so that two runs never mix.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from training.errors import RunDirectoryError

FINGERPRINT = "run.json"
MANIFEST = "manifest.json"

StageName = Literal["pool", "teacher", "labels", "student", "evaluation", "export"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""In the order in which each one needs those before it."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage's folder."""

    directory: Path

    @property
    def finished(self) -> bool:
        """Whether the stage's manifest is there: it is written after everything else."""
        return (self.directory / MANIFEST).is_file()

    def manifest(self) -> dict[str, Any]:
        """What the finished stage wrote of itself."""
        path = self.directory / MANIFEST
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunDirectoryError(f"{path} cannot be read ({error}); delete {self.directory} to redo it") from error
        return content

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
        _make(path)
        marker = path / FINGERPRINT
        if marker.exists():
            if _read_json(marker) == self.fingerprint:
                # Written by an earlier start, or by the first of several processes.
                return
            self._refuse_changes(self.changed_since(path))
        elif any(entry.name != f"{FINGERPRINT}.partial" for entry in path.iterdir()):
            raise RunDirectoryError(f"{path} is not empty and is no run directory; choose another --run-dir")
        write_json(marker, self.fingerprint)

    def changed_since(self, earlier: Path) -> list[str]:
        """Dotted names of the settings and data in which the run in `earlier` was started otherwise."""
        return sorted(_differences(completed(_read_json(earlier / FINGERPRINT), self._defaults), self.fingerprint))

    def stage(self, name: StageName, independent: Collection[StageName] = ()) -> Stage:
        """The folder of a stage, made if need be.

        Stages after an unfinished one are removed: they were made from something that is about to change.
        `independent` names those that were not.
        """
        directory = self.path / name
        directory.mkdir(exist_ok=True)
        stage = Stage(directory)
        if not stage.finished:
            for later in STAGES[STAGES.index(name) + 1 :]:
                if later not in independent:
                    shutil.rmtree(self.path / later, ignore_errors=True)
        return stage

    def _refuse_changes(self, changed: Sequence[str]) -> None:
        if not changed:
            return
        if any((self.path / name / MANIFEST).exists() for name in STAGES):
            raise RunDirectoryError(
                f"{self.path} was started with other settings or data (changed: {', '.join(changed)}); "
                "use another --run-dir, or delete this one to start over"
            )
        # No stage is finished, but parts of one may be: a teacher's member, a checkpoint, a block of the pool.
        for name in STAGES:
            shutil.rmtree(self.path / name, ignore_errors=True)


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"{path} can not be made a run directory ({error.strerror}); choose another --run-dir"
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
            f"{path} cannot be written ({error}); free space there and run again: what is finished is kept"
        ) from error
    finally:
        # After success there is none; half a file must not go on filling a full disk.
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


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{path} cannot be read ({error}), so {path.parent} is no run directory") from error


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
