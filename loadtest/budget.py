"""A budget: the load to send, and what must hold under it. One TOML file, checked before anything is sent."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from loadtest.loads import Load, NotNegative, Positive, Settings
from loadtest.routes import RouteName
from loadtest.server import CHOSEN_HERE
from loadtest.shop_workload import ProductsAs

PATHS = {"load": ("log",), "workload": ("shapes",), "service": ("catalogue", "tensorrt_cache")}
"""The settings of each table that are paths."""

Share = Annotated[float, Field(ge=0, le=1)]
ServiceSettings = dict[str, str | int | float | bool]
Count = Annotated[int, Field(ge=1)]


class BudgetError(Exception):
    """A budget that cannot be used; names the file, and the setting that is wrong."""


class Workload(Settings):
    """Who asks for what; see `loadtest.shop_workload`. A replayed log has its own requests, and uses the last two."""

    seed: Annotated[int, Field(ge=0)] = 0
    shapes: Path | None = None
    """Histograms of lengths; None: those of `loadtest/shapes.json`."""
    candidates: Count | None = None
    """Candidates of every request; None: as in `shapes`."""
    queries: Count = 10_000
    products: Count = 100_000
    zipf: NotNegative = 1.0
    products_as: ProductsAs = "full"
    most_bodies: Count = 5_000
    """After so many different requests the same ones come again: they are held in memory."""
    deadline_ms: Positive | None = None
    route: RouteName = "score"
    """Which of the service's routes is asked: our own, or one that speaks for another server."""


class Limits(Settings):
    """What must hold; None: whatever it is. A request that is not answered counts as infinitely late."""

    p50_ms: Positive | None = None
    p95_ms: Positive | None = None
    p99_ms: Positive | None = None
    error_rate: Share | None = None
    """Requests without scores over all: refused, failed, or answered with something else."""
    degraded_share: Share | None = None
    """Answers whose deadline left pairs unscored, over all answers."""

    @model_validator(mode="after")
    def _limit_something(self) -> Self:
        if not self.given:
            raise ValueError(f"give one of {', '.join(Limits.model_fields)}")
        return self

    @property
    def given(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class Budget(Settings):
    """One file. The first `warm_up_seconds` of the load count for no figure."""

    load: Load
    limits: Limits
    workload: Workload = Workload()
    warm_up_seconds: NotNegative = 0.0
    timeout_seconds: Positive = 10.0
    """The longest that one reply may take."""
    service: ServiceSettings = Field(default_factory=dict)
    """Settings of a service that is started for the run, as in `service.settings`."""

    @model_validator(mode="after")
    def _measures_something(self) -> Self:
        if self.load.seconds is not None and self.warm_up_seconds >= self.load.seconds:
            raise ValueError(f"warm_up_seconds has to be less than the load's {self.load.seconds:g} seconds")
        return self

    @field_validator("service")
    @classmethod
    def _service_is_where_it_is_asked(cls, service: ServiceSettings) -> ServiceSettings:
        for name in service:
            if name != name.lower():
                raise ValueError(f"{name}: settings are written in small letters")
        if chosen := sorted(CHOSEN_HERE & service.keys()):
            raise ValueError(
                f"{', '.join(chosen)}: the run chooses where its service listens and, by --bundle, what it serves; "
                "for a service that runs already take --host"
            )
        return service

    @model_validator(mode="after")
    def _route_takes_its_products(self) -> Self:
        if self.workload.route == "tei" and self.workload.products_as == "ids":
            raise ValueError("workload.products_as: the route 'tei' takes texts, no ids")
        return self


def load_budget(file: Path) -> Budget:
    """The budget in `file`, whose paths are relative to it; BudgetError if it cannot be used."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BudgetError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise BudgetError(f"{file} is not valid TOML: {error}") from error
    try:
        return Budget.model_validate(_beside(file, content))
    except ValidationError as error:
        raise BudgetError(f"{file}: {'; '.join(_line(dict(one)) for one in error.errors())}") from error


def _beside(file: Path, content: dict[str, Any]) -> dict[str, Any]:
    """The content with its paths resolved."""
    return {
        name: _resolved(file.parent, table, PATHS.get(name, ())) if isinstance(table, dict) else table
        for name, table in content.items()
    }


def _resolved(folder: Path, table: dict[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    there = {key: str(folder / path) for key in paths if isinstance(path := table.get(key), str)}
    return table | there


def _line(problem: dict[str, Any]) -> str:
    # The second part of a place in `load` is its kind, which is no key of the file.
    place = [str(part) for index, part in enumerate(problem["loc"]) if (index, problem["loc"][0]) != (1, "load")]
    text = "unknown key" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, ")
    return f"{'.'.join(place) or 'budget'}: {text}"
