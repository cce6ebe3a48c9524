"""What a run leaves in its JSON, for people, pipelines and `loadtest.compare`. Times are seconds of the load."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

Verdict = Literal["holds", "missed", "not measured"]
StageMs = dict[str, float]
"""Stage → milliseconds."""


class RecordError(Exception):
    """A JSON that is no record of a run; names the file."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figures(_Part):
    """Of all requests after the warm-up. A latency of None: more requests than that quantile allows got no answer."""

    requests: int
    answered: int
    offered_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float
    degraded_share: float


class Slice(_Part):
    """The requests that were meant to be sent from `at` on; `latencies_ms` has None for each without an answer."""

    at: float
    seconds: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    errors: int
    degraded: int
    stages_ms: StageMs
    latencies_ms: list[float | None]


class Failure(_Part):
    """One kind of failure: how often, the time of the first, and its text."""

    count: int
    first_at: float
    example: str


class UsageSample(_Part):
    """The service's process around `at`: cores that it kept busy since the sample before, and its memory."""

    at: float
    cores: float
    resident_mb: float


class Generator(_Part):
    """What the sender itself did: how late it was, and the share of one core that it used."""

    lag_p50_ms: float | None
    lag_p99_ms: float | None
    cpu_share: float
    bottleneck: str = ""
    """Why the figures tell of the sender and not of the service; empty where they do not."""


class Point(_Part):
    """One rate that a search tried."""

    rate: float
    p50_ms: float | None
    p99_ms: float | None
    error_rate: float
    holds: bool


class Capacity(_Part):
    """The highest rate at which the budget held, None: at none, and the lowest above it at which it was missed.

    `exact`: they are as near as was asked for, and no weakness of the generator decided between them.
    """

    rate: float | None
    missed_at: float | None
    exact: bool
    points: list[Point]


class Record(_Part):
    """One run."""

    version: Literal[1] = 1
    verdict: Verdict
    reasons: list[str] = []
    notes: list[str] = []
    target: str
    started: str
    budget: dict[str, Any]
    machine: dict[str, Any]
    figures: Figures | None = None
    slices: list[Slice] = []
    stages_ms: dict[str, StageMs] = {}
    """Stage → its p50 and p99."""
    failures: dict[str, Failure] = {}
    usage_source: str = ""
    usage: list[UsageSample] = []
    generator: Generator | None = None
    capacity: Capacity | None = None


def read_record(path: Path) -> Record:
    """The record in `path`; RecordError if there is none."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise RecordError(f"{path} is not the record of a run: {place}: {first['msg']}") from error
