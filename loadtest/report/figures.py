"""From outcomes to the figures of a record. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from loadtest.measured import quantile_ms
from loadtest.open_loop import Sent
from loadtest.outcomes import Outcome, Stages, lag_ms, latency_ms, latency_of
from loadtest.report.record import Failure, Figures, Generator, Slice, StageMs

MOST_SLICES = 60

LATE_MS = 2.0
"""The schedule that the sender promises to hold at its p99."""
LATE_SHARE = 0.05
"""Lateness up to this share of the p99 itself does not decide anything."""
BUSY_SHARE = 0.9
"""Share of its one core above which a sender cannot be trusted to do more."""


def figures_of(outcomes: Sequence[Outcome], seconds: float) -> Figures:
    """The figures of at least one outcome, over a load that lasted so long."""
    answers = [outcome for outcome in outcomes if outcome.answered]
    degraded = sum(outcome.degraded for outcome in answers)
    return Figures(
        requests=len(outcomes),
        answered=len(answers),
        offered_per_s=round(len(outcomes) / seconds, 3) if seconds > 0 else float(len(outcomes)),
        p50_ms=latency_ms(outcomes, 0.5),
        p95_ms=latency_ms(outcomes, 0.95),
        p99_ms=latency_ms(outcomes, 0.99),
        error_rate=(len(outcomes) - len(answers)) / len(outcomes),
        degraded_share=degraded / len(answers) if answers else 0.0,
    )


def slices_of(outcomes: Sequence[Outcome], start: float, seconds: float) -> list[Slice]:
    """At most 60 equal slices of at least a second each; one without requests is left out."""
    length = max(1.0, math.ceil(seconds / MOST_SLICES))
    groups: dict[int, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[int((outcome.meant - start) / length)].append(outcome)
    return [_slice(groups[number], start + number * length, length) for number in sorted(groups)]


def stages_of(outcomes: Sequence[Outcome]) -> dict[str, StageMs]:
    """p50 and p99 of each stage, as the service told them; empty if it did not."""
    told = [outcome.stages for outcome in outcomes if outcome.answered and outcome.stages]
    if not told:
        return {}
    p50, p99 = np.quantile(np.asarray(told), (0.5, 0.99), axis=0)
    return {
        stage: {"p50_ms": round(float(p50[index]), 3), "p99_ms": round(float(p99[index]), 3)}
        for index, stage in enumerate(Stages._fields)
    }


def failures_of(outcomes: Sequence[Outcome]) -> dict[str, Failure]:
    """Each kind of failure, the most frequent first."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if not outcome.answered:
            groups[outcome.kind].append(outcome)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))
    return {
        kind: Failure(count=len(group), first_at=round(group[0].meant, 3), example=group[0].error)
        for kind, group in ordered
    }


def generator_of(sent: Sent, measured: Sequence[Outcome], cores: int) -> Generator:
    """How the sender did, on a machine of so many cores; `measured` are the outcomes after the warm-up."""
    made = Generator(
        lag_p50_ms=lag_ms(measured, 0.5),
        lag_p99_ms=lag_ms(measured),
        cpu_share=round(sent.cpu_seconds / sent.seconds, 3) if sent.seconds > 0 else 0.0,
    )
    return made.model_copy(update={"bottleneck": _bottleneck(made, latency_ms(measured, 0.99), cores)})


def _bottleneck(made: Generator, p99_ms: float | None, cores: int) -> str:
    share = f"{made.cpu_share:.0%} of one core"
    if made.cpu_share >= BUSY_SHARE:
        return f"the generator was the bottleneck: it used {share}; spread the load over more of them"
    lag = made.lag_p99_ms or 0.0
    if lag <= LATE_MS or (p99_ms is not None and lag <= LATE_SHARE * p99_ms):
        return ""
    return (
        f"the generator was late: its send lag has a p99 of {lag:g} ms at {share}, and every latency holds its lag; "
        f"it shares {cores} core(s) with what else runs here: give it a machine of its own"
    )


def _slice(outcomes: Sequence[Outcome], at: float, seconds: float) -> Slice:
    told = [outcome.stages for outcome in outcomes if outcome.answered and outcome.stages]
    means = np.asarray(told).mean(axis=0) if told else ()
    latencies = [latency_of(outcome) for outcome in outcomes]
    return Slice(
        at=round(at, 3),
        seconds=seconds,
        p50_ms=quantile_ms(latencies, 0.5),
        p95_ms=quantile_ms(latencies, 0.95),
        p99_ms=quantile_ms(latencies, 0.99),
        errors=sum(not outcome.answered for outcome in outcomes),
        degraded=sum(outcome.degraded for outcome in outcomes),
        stages_ms={stage: round(float(mean), 3) for stage, mean in zip(Stages._fields, means, strict=False)},
        # To the digits of `quantile_ms`, so that both give the same quantiles.
        latencies_ms=[round(1000 * latency, 2) if math.isfinite(latency) else None for latency in latencies],
    )
