"""The tuning kept beside the bundle, so that the next start measures nothing.

The file names what its figures depend on; one that differs in any of it is measured anew. It is no part
of the bundle: nothing but this module reads it, and a file that cannot be used is never an error.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from service.autotune.tuning import OperatingPoint, Tuning

logger = logging.getLogger(__name__)

FILE = "tuning.json"

Key = Mapping[str, JsonValue]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: dict[str, JsonValue]
    tuning: Tuning


class TuningCache:
    """One file in `directory`; `key` is what a tuning of now depends on, `candidates` what it may choose."""

    def __init__(self, directory: Path, key: Key, candidates: Collection[OperatingPoint]) -> None:
        self._path = directory / FILE
        self._key = dict(key)
        self._candidates = candidates

    def load(self) -> Tuning | None:
        """The tuning of this key, or None; the log says why."""
        try:
            record = _Record.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            self._log(logging.WARNING, "tuning file cannot be read, measuring anew", error=_in_short(error))
            return None
        if record.key != self._key:
            names = {*record.key, *self._key}
            changed = sorted(name for name in names if record.key.get(name) != self._key.get(name))
            self._log(logging.INFO, "tuning file is of another set-up, measuring anew", changed=changed)
            return None
        if record.tuning.choice not in self._candidates:
            self._log(logging.WARNING, "tuning file chooses what is none of the candidates, measuring anew")
            return None
        return record.tuning

    def save(self, tuning: Tuning) -> None:
        """Write the file as a whole; where that is not allowed, say so and go on."""
        content = _Record(key=self._key, tuning=tuning).model_dump_json(indent=1)
        try:
            _write_atomically(self._path, content + "\n")
        except OSError as error:
            self._log(logging.INFO, "tuning cannot be kept, the next start measures again", error=_in_short(error))

    def _log(self, level: int, message: str, **fields: object) -> None:
        logger.log(level, message, extra={"fields": {"file": str(self._path), **fields}})


def _write_atomically(path: Path, content: str) -> None:
    # A name of its own for every writer: replicas may share the directory.
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent)
    partial = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
        # mkstemp's file is its owner's alone; other replicas may run as somebody else.
        partial.chmod(0o644)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _in_short(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'file'}: {first['msg']}"
