"""What became of the requests of an open loop, and the figures that are asked of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from loadtest.measured import quantile_ms

NO_REPLY = 0


class Stages(NamedTuple):
    """Where the service says that the time went (ms): the reply's headers `x-aisle-*-ms`."""

    tokenize: float
    queue: float
    inference: float
    total: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request that was meant to be sent at `meant`, and was sent `lag` later (s).

    Without a reply, `latency` is infinite and `status` NO_REPLY. `fault` names the kind of what went wrong,
    in the connection or in a reply of status 200; `error` is its text. `reply` is kept if nobody inspects it.
    """

    pairs: int
    meant: float
    lag: float
    latency: float = math.inf
    status: int = NO_REPLY
    reply: bytes = field(default=b"", repr=False)
    error: str = ""
    fault: str = ""
    stages: Stages | None = None
    degraded: bool = False

    @property
    def answered(self) -> bool:
        """Whether the reply holds scores."""
        return self.status == 200 and not self.fault

    @property
    def kind(self) -> str:
        """What kind of failure it is; empty for an answer."""
        return "" if self.answered else self.fault or f"status {self.status}"

    @property
    def done(self) -> float:
        """When its reply was in, on the clock of the plan."""
        return self.meant + self.latency


def latency_of(outcome: Outcome) -> float:
    """Seconds from when it was meant to be sent; a request that was refused or failed counts as never answered."""
    return outcome.latency if outcome.answered else math.inf


def latency_ms(outcomes: Iterable[Outcome], quantile: float) -> float | None:
    """Quantile of the latencies as `latency_of` counts them; None where it is one that was not answered."""
    return quantile_ms([latency_of(outcome) for outcome in outcomes], quantile)


def lag_ms(outcomes: Iterable[Outcome], quantile: float = 0.99) -> float | None:
    """Quantile of how late the sender was: what of the latencies is its own fault."""
    return quantile_ms([outcome.lag for outcome in outcomes], quantile)
