"""Outcomes and records that tests make up."""

from __future__ import annotations

import math
from collections.abc import Iterable

from loadtest.outcomes import Outcome, Stages
from loadtest.report.figures import failures_of, figures_of, slices_of, stages_of
from loadtest.report.record import Capacity, Generator, Point, Record, UsageSample

STAGES = Stages(0.5, 1.0, 3.0, 5.0)


def answer(meant: float, latency: float, degraded: bool = False) -> Outcome:
    """One that holds scores."""
    return Outcome(10, meant, 0.001, latency, 200, stages=STAGES, degraded=degraded)


def failure(meant: float, fault: str = "reset") -> Outcome:
    """One that got no reply."""
    return Outcome(10, meant, 0.001, math.inf, fault=fault, error=f"<{fault}> & gone")


def record_of(outcomes: Iterable[Outcome], seconds: float) -> Record:
    """Everything that outcomes tell."""
    listed = list(outcomes)
    return Record(
        verdict="holds",
        target="aisle at 127.0.0.1:8080/score",
        started="2026-01-02T03:04:05+00:00",
        budget={"limits": {"p99_ms": 50.0}},
        machine={"cpu": "Abacus 9000", "cores": 2},
        figures=figures_of(listed, seconds),
        slices=slices_of(listed, 0.0, seconds),
        stages_ms=stages_of(listed),
        failures=failures_of(listed),
        usage_source="the service's process",
        usage=[UsageSample(at=0.5, cores=0.7, resident_mb=200.0), UsageSample(at=1.0, cores=0.9, resident_mb=201.0)],
        generator=Generator(lag_p50_ms=0.1, lag_p99_ms=0.9, cpu_share=0.1),
    )


POINTS = [
    Point(rate=10.0, p50_ms=20.0, p99_ms=40.0, error_rate=0.0, holds=True),
    Point(rate=40.0, p50_ms=None, p99_ms=None, error_rate=1.0, holds=False),
]
FULL = record_of(
    [answer(number / 10, 0.02, degraded=number == 7) for number in range(40)] + [failure(3.9)], 4.0
).model_copy(
    update={"notes": ["<b>look</b>"], "capacity": Capacity(rate=10.0, missed_at=40.0, exact=True, points=POINTS)}
)
"""Holds something of everything."""

BARE = Record(verdict="not measured", reasons=["no <one> there"], target="x", started="now", budget={}, machine={})
DEAD = record_of([failure(number / 10) for number in range(10)], 1.0)
"""Nothing was answered."""
