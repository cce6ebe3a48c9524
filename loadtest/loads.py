"""The kinds of load that a budget can ask for, each with its own settings and arrivals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from loadtest.arrivals import (
    Times,
    burst_arrivals,
    constant_arrivals,
    poisson_arrivals,
    ramp_arrivals,
    step_arrivals,
)

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """A table of a budget file: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PoissonLoad(Settings):
    """Requests that know nothing of each other, `rate` a second."""

    kind: Literal["poisson"]
    rate: Positive
    seconds: Positive

    def arrivals(self, seed: int) -> Times:
        """When requests are sent (s)."""
        return poisson_arrivals(self.rate, self.seconds, seed)


class ConstantLoad(Settings):
    """A request every 1 / `rate` seconds."""

    kind: Literal["constant"]
    rate: Positive
    seconds: Positive

    def arrivals(self, seed: int) -> Times:
        """When requests are sent (s)."""
        return constant_arrivals(self.rate, self.seconds)


class Step(Settings):
    """`rate` requests a second for so many seconds."""

    rate: NotNegative
    seconds: Positive


class StepLoad(Settings):
    """Poisson arrivals at one rate after another."""

    kind: Literal["step"]
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @property
    def seconds(self) -> float:
        """How long all of it takes."""
        return sum(step.seconds for step in self.steps)

    def arrivals(self, seed: int) -> Times:
        """When requests are sent (s)."""
        return step_arrivals([(step.rate, step.seconds) for step in self.steps], seed)


class RampLoad(Settings):
    """Poisson arrivals at a rate that changes evenly."""

    kind: Literal["ramp"]
    from_rate: NotNegative
    to_rate: NotNegative
    seconds: Positive

    @model_validator(mode="after")
    def _sends_something(self) -> Self:
        if max(self.from_rate, self.to_rate) == 0:
            raise ValueError("one of from_rate and to_rate has to be above 0")
        return self

    def arrivals(self, seed: int) -> Times:
        """When requests are sent (s)."""
        return ramp_arrivals((self.from_rate, self.to_rate), self.seconds, seed)


class BurstLoad(Settings):
    """Poisson arrivals at `rate`, and every `burst_every` seconds `burst_size` requests at once."""

    kind: Literal["burst"]
    rate: NotNegative
    burst_size: Annotated[int, Field(ge=1)]
    burst_every: Positive
    seconds: Positive

    def arrivals(self, seed: int) -> Times:
        """When requests are sent (s)."""
        return burst_arrivals(self.rate, (self.burst_size, self.burst_every), self.seconds, seed)


class ReplayLoad(Settings):
    """A log's requests at its times, `speed` times as fast, for at most so many seconds."""

    kind: Literal["replay"]
    log: Path
    speed: Positive = 1.0
    seconds: Positive | None = None


SteadyLoad = PoissonLoad | ConstantLoad
DrawnLoad = SteadyLoad | StepLoad | RampLoad | BurstLoad
Load = Annotated[DrawnLoad | ReplayLoad, Field(discriminator="kind")]
