"""From a trial to its record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from loadtest.bench.machine import describe_machine
from loadtest.budget import Budget
from loadtest.faults import OF_THE_SENDER
from loadtest.measured_service import MeasuredService, NotMeasuredError
from loadtest.report.figures import failures_of, figures_of, generator_of, slices_of, stages_of
from loadtest.report.record import Figures, Record, UsageSample, Verdict
from loadtest.requests import Requests
from loadtest.trial import INTERRUPTED, Trial
from loadtest.usage import Usage
from loadtest.verdict import checks_of, thin_quantiles


def record_of(budget: Budget, service: MeasuredService, requests: Requests, trial: Trial) -> Record:
    """What was measured, with the verdict and the reasons for it; NotMeasuredError if it is nothing."""
    measured = trial.outcomes_from(budget.warm_up_seconds)
    if not measured:
        raise NotMeasuredError(f"{INTERRUPTED} before anything was measured")
    until = min(requests.seconds, trial.sent.seconds) if trial.sent.interrupted else requests.seconds
    seconds = until - budget.warm_up_seconds
    figures = figures_of(measured, seconds)
    generator = generator_of(trial.sent, measured, len(os.sched_getaffinity(0)))
    verdict, reasons = _verdict(budget, figures)
    if end := service.end():
        # Whatever its figures were until then.
        verdict, reasons = ("missed" if figures.answered else verdict), [*reasons, end]
    if trial.sent.interrupted:
        verdict, reasons = "not measured", [f"{INTERRUPTED} after {until:.0f} of {requests.seconds:.0f} s", *reasons]
    record = Record(
        **_frame(budget, str(service.target)),
        verdict=verdict,
        reasons=reasons,
        figures=figures,
        slices=slices_of(measured, budget.warm_up_seconds, seconds),
        stages_ms=stages_of(measured),
        failures=failures_of(measured),
        usage_source=str(service.usage),
        usage=_usage(trial.usage),
        generator=generator,
    )
    return record.model_copy(update={"notes": _notes(budget, requests, trial, record)})


def unmeasured(budget: Budget, target: str, reason: str) -> Record:
    """The record of a run that could not be."""
    return Record(**_frame(budget, target), verdict="not measured", reasons=[reason])


def problem_of_sender(record: Record) -> str:
    """Why the figures tell of the generator and not of the service; empty where they do not."""
    if lacking := record.failures.keys() & OF_THE_SENDER:
        return f"the generator was the bottleneck: {', '.join(sorted(lacking))} on its machine"
    return record.generator.bottleneck if record.generator else ""


def _frame(budget: Budget, target: str) -> dict[str, Any]:
    return {
        "target": target,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "budget": budget.model_dump(mode="json", exclude_none=True),
        "machine": describe_machine(),
    }


def _verdict(budget: Budget, figures: Figures) -> tuple[Verdict, list[str]]:
    if not figures.answered:
        return "not measured", [f"none of {figures.requests} requests was answered with scores"]
    missed = [str(check) for check in checks_of(budget.limits, figures) if not check.holds]
    return ("missed" if missed else "holds"), missed


def _notes(budget: Budget, requests: Requests, trial: Trial, record: Record) -> list[str]:
    """What a reader should know before believing the figures."""
    notes = [problem_of_sender(record)]
    if record.figures:
        notes += thin_quantiles(budget.limits, record.figures)
    if requests.repeats:
        notes.append(f"{len(requests.calls)} different requests were sent again and again (workload.most_bodies)")
    if (asked := budget.load.seconds) is not None and requests.seconds < asked:
        notes.append(f"the log ends after {requests.seconds:g} of {asked:g} s")
    if trial.usage_problem:
        notes.append(f"the service's CPU and memory are not known to the end: {trial.usage_problem}")
    return [note for note in notes if note]


def _usage(samples: Sequence[tuple[float, Usage]]) -> list[UsageSample]:
    return [
        UsageSample(
            at=round(at, 3),
            cores=round((now.cpu_seconds - before.cpu_seconds) / (at - earlier), 3),
            resident_mb=round(now.resident_bytes / 1e6, 1),
        )
        for (earlier, before), (at, now) in pairwise(samples)
    ]
