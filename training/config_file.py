"""From a TOML file and the command line to settings, or to a line that names each wrong one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from training.config import CROSS_ENCODERS_ONLY, DistillSettings, StudentSettings
from training.errors import ConfigError


def load_settings(file: Path | None, overrides: dict[str, Any]) -> DistillSettings:
    """Settings from a TOML file (if any) with the command line's on top; ConfigError names what is wrong."""
    content: dict[str, Any] = {}
    if file is not None:
        try:
            content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(f"{file} is not valid TOML: {error}") from error
    source = file or "command line"
    try:
        settings = DistillSettings.model_validate(_merged(content, overrides))
    except ValidationError as error:
        raise ConfigError(f"{source}: {problems_of(error)}") from error
    if problem := _said_in_vain(settings.student):
        raise ConfigError(f"{source}: {problem}")
    return settings


def _said_in_vain(student: StudentSettings) -> str | None:
    """What was said of a student of the other kind; None if nothing.

    No rule of the settings themselves: those of a run, read again, say everything, and a study changes the kind.
    """
    if student.kind == "split":
        unread = [f"student.{name}" for name in CROSS_ENCODERS_ONLY if name in student.model_fields_set]
        instead = "cross-encoder"
    else:
        said = student.split.model_fields_set if "split" in student.model_fields_set else ()
        unread, instead = [f"student.split.{name}" for name in sorted(said)], "split"
    if not unread:
        return None
    return (
        f"a student of kind '{student.kind}' does not read {', '.join(unread)}; leave that out, or set student.kind to "
        f"'{instead}' (--student on the command line)"
    )


def problems_of(error: ValidationError) -> str:
    """Each setting that is wrong, and why."""
    problems = [(".".join(map(str, e["loc"])) or "settings", e) for e in error.errors()]
    return "; ".join(
        f"{name}: {_reason(problem)}"
        for name, problem in problems
        # Of a list with a wrong item, pydantic also says that it is too short.
        if not (problem["type"] == "too_short" and any(other.startswith(f"{name}.") for other, _ in problems))
    )


def _reason(problem: ErrorDetails) -> str:
    if problem["type"] == "model_type":
        return f"must be a table of settings, got {problem['input']!r}"
    if problem["type"] == "extra_forbidden":
        return f"there is no such setting{_meant(problem['loc'])}"
    return problem["msg"].removeprefix("Value error, ")


def _meant(path: Sequence[int | str]) -> str:
    """The setting beside it that is written much like the last name of `path`; empty if there is none."""
    beside: Any = DistillSettings().model_dump()
    for step in path[:-1]:
        beside = beside.get(step) if isinstance(beside, dict) else None
    alike = difflib.get_close_matches(str(path[-1]), beside or (), n=1)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def _merged(content: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`overrides` on top; a table is overridden setting by setting, and what is no table stays to be refused."""
    tables = {
        name: {**given, **value} if isinstance(given := content[name], dict) else given
        for name, value in overrides.items()
        if isinstance(value, dict) and name in content
    }
    return {**content, **overrides, **tables}
