"""What is told of a request once it has ended: where its time went, what it held, how it was answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

STAGES = ("tokenize", "queue", "inference", "total")
"""What is timed of a request; the last is all of it."""


class Stage(NamedTuple):
    """Seconds from the request's arrival to the stage's begin, and seconds that it took."""

    begun: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Timings:
    """Where one request's time went, in seconds of whole microseconds; recorded once, then told in four ways."""

    tokenize: Stage
    queue: Stage
    inference: Stage
    total: float

    def milliseconds(self) -> dict[str, float]:
        """Stage → milliseconds, for the reply and its headers."""
        return {stage: round(seconds * 1000, 3) for stage, seconds in self.seconds().items()}

    def seconds(self) -> dict[str, float]:
        """Stage → seconds, with the total last."""
        seconds = (self.tokenize.seconds, self.queue.seconds, self.inference.seconds, self.total)
        return dict(zip(STAGES, seconds, strict=True))

    def stages(self) -> dict[str, Stage]:
        """The stages in their order."""
        return {"tokenize": self.tokenize, "queue": self.queue, "inference": self.inference}


@dataclass(frozen=True, slots=True)
class Scored:
    """What one answered body held, all of its requests together."""

    timings: Timings
    candidates: int
    scored: int
    truncated: int

    @property
    def degraded(self) -> bool:
        """Whether a deadline left some candidates unscored."""
        return self.scored < self.candidates


@dataclass(frozen=True, slots=True)
class Served:
    """A request that has ended. `route` is None where none matched, `scored` where no scores were answered."""

    method: str
    route: str | None
    status: int
    seconds: float
    request_id: str
    headers: Mapping[str, str]
    scored: Scored | None


class RequestObserver(Protocol):
    """Who wants to know of every served request."""

    def request_served(self, served: Served) -> None:
        """A request has ended just now."""

    def close(self) -> None:
        """No more will be told."""
