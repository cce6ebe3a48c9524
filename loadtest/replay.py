"""A log of requests with its timing: what a shop really asked, and when.

JSON Lines, ascending in time: `{"at": 12.25, "query": "desk lamp", "candidates": […]}`, or `{"at": 12.25, "body": {…}}`
with a whole body of `POST /score`. `at` is in seconds, from any origin. Empty lines are skipped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtest.workload import Body

Candidates = Annotated[list[dict[str, Any] | str], Field(min_length=1)]


class Replayed(NamedTuple):
    """One line: when (s), and the body that was sent."""

    at: float
    body: Body


class LogError(Exception):
    """A log that cannot be replayed; names the file and the line."""


class _Sent(BaseModel):
    model_config = ConfigDict(extra="allow")

    query: str
    candidates: Candidates


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    at: Annotated[float, Field(allow_inf_nan=False)]
    query: str | None = None
    candidates: Candidates | None = None
    body: _Sent | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.body is None) == (self.query is None and self.candidates is None):
            raise ValueError("give either query and candidates, or body")
        if self.body is None and (self.query is None or self.candidates is None):
            raise ValueError("query and candidates belong together")
        return self

    def replayed(self) -> Replayed:
        """What it says."""
        if self.body is not None:
            return Replayed(self.at, self.body.model_dump())
        return Replayed(self.at, {"query": self.query, "candidates": self.candidates})


def read_log(path: Path) -> list[Replayed]:
    """All lines of a log; LogError names the first that is bad, or a file that cannot be read or holds none."""
    lines: list[Replayed] = []
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if raw.strip():
                    lines.append(_read(raw, f"{path}, line {number}"))
                    if len(lines) > 1 and lines[-1].at < lines[-2].at:
                        raise LogError(f"{path}, line {number}: at {lines[-1].at:g} s, after {lines[-2].at:g} s")
    except OSError as error:
        raise LogError(f"cannot read {path}: {error.strerror}") from error
    if not lines:
        raise LogError(f"{path} holds no request")
    return lines


def _read(raw: bytes, place: str) -> Replayed:
    try:
        return _Line.model_validate_json(raw).replayed()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise LogError(f"{place}: {field + ': ' if field else ''}{first['msg']}") from error
