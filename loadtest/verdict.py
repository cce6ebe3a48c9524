"""Whether a budget's limits hold for the figures of a run. Pure."""

from __future__ import annotations

from typing import NamedTuple

from loadtest.budget import Limits
from loadtest.report.record import Figures

LEAST_BEYOND = 1
"""Requests that have to lie beyond a quantile for it to say anything."""

_QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


class Check(NamedTuple):
    """One limit and what was measured; None: more requests than the quantile allows got no answer."""

    name: str
    limit: float
    measured: float | None

    @property
    def holds(self) -> bool:
        """Whether it is kept; the limit itself is allowed."""
        return self.measured is not None and self.measured <= self.limit

    def __str__(self) -> str:
        unit = " ms" if self.name in _QUANTILES else ""
        got = "no answer" if self.measured is None else f"{self.measured:.4g}{unit}"
        return f"{self.name}: {got}, {self.limit:g}{unit} at most"


def checks_of(limits: Limits, figures: Figures) -> list[Check]:
    """Every limit that is given, in the order of the budget's documentation."""
    return [Check(name, limit, getattr(figures, name)) for name, limit in limits.given.items()]


def thin_quantiles(limits: Limits, figures: Figures) -> list[str]:
    """A line for each limited quantile that so few requests cannot tell."""
    return [
        f"{name} of {figures.requests} requests says little: it takes at least {round(LEAST_BEYOND / (1 - quantile))}"
        for name, quantile in _QUANTILES.items()
        if name in limits.given and figures.requests * (1 - quantile) < LEAST_BEYOND - 1e-9
    ]
