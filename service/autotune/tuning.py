"""What the tuner decides, and what it decided by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Measure = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Layout(NamedTuple):
    """`sessions` micro-batches at a time, `threads` inside each."""

    sessions: int
    threads: int


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """One way to run the engine, of those that are measured."""

    layout: Layout
    micro_batch_tokens: int

    def pairs(self, length: int) -> int:
        """Pairs of `length` tokens in one of its micro-batches."""
        return max(1, self.micro_batch_tokens // length)


class BucketSpeed(BaseModel):
    """The speed of micro-batches of `pairs` pairs of `length` tokens while every session runs one.

    `ns_per_token` is the whole machine's: wall time over the padded tokens of all sessions.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: Count
    threads: Count
    pairs: Count
    length: Count
    ns_per_token: Measure


class Tuning(BaseModel):
    """How the engine runs, and the table of measurements behind it (empty where nothing was measured)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sessions: Count
    threads: Count
    micro_batch_tokens: Count
    tokens_per_second: Measure | None = None
    """Of one session while all the others run too; None where nothing was measured."""
    single_pair_ms: Measure | None = None
    """Milliseconds of one typical pair on an otherwise idle engine."""
    table: tuple[BucketSpeed, ...] = ()

    @property
    def layout(self) -> Layout:
        """Sessions and threads."""
        return Layout(self.sessions, self.threads)

    @property
    def choice(self) -> OperatingPoint:
        """The chosen way to run the engine."""
        return OperatingPoint(self.layout, self.micro_batch_tokens)

    def buckets(self) -> list[BucketSpeed]:
        """The table's rows of the chosen layout."""
        return [bucket for bucket in self.table if (bucket.sessions, bucket.threads) == self.layout]
