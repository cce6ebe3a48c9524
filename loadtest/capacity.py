"""`python -m loadtest.capacity --budget BUDGET.toml`: the highest rate at which the budget holds, and the replicas
that a target takes.

The budget's load is poisson or constant; its rate is where the search starts. Every rate is asked other requests of
the same shop. Exit code 0: a rate was found; 1: the budget held at none; 2: wrong usage, or nothing could be measured.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.budget import Budget
from loadtest.command import NOT_MEASURED, Job, WrongUsageError, add_options, finish, job_of
from loadtest.loads import SteadyLoad
from loadtest.measured_service import MeasuredService, NotMeasuredError, service_at
from loadtest.option_types import positive, share_below_one
from loadtest.report.build import problem_of_sender, record_of, unmeasured
from loadtest.report.record import Capacity, Point, Record
from loadtest.requests import NothingSentError, requests_of
from loadtest.search import Bounds, replicas, search
from loadtest.trial import INTERRUPTED, check_answers, run_trial

REPORT = "runs/loadtest/capacity.html"


@dataclass
class Prober:
    """Asks one rate after another; `tried` are the records by their rate, in the order of the search."""

    budget: Budget
    service: MeasuredService
    tried: dict[float, Record] = field(default_factory=dict)

    def holds(self, rate: float) -> bool:
        """Whether the budget holds at `rate`; NotMeasuredError if the service no longer answers, or at SIGINT.

        NothingSentError if the rate is so low that nothing would be measured.
        """
        assert isinstance(self.budget.load, SteadyLoad)
        load = self.budget.load.model_copy(update={"rate": rate})
        budget = self.budget.model_copy(update={"load": load})
        requests = requests_of(budget, stream=len(self.tried))
        # It also waits until the service is over what the rate before has left it.
        check_answers(self.service, requests)
        trial = run_trial(self.service, requests)
        if trial.sent.interrupted:
            raise NotMeasuredError(INTERRUPTED)
        record = record_of(budget, self.service, requests, trial)
        self.tried[rate] = record
        print(f"{rate:.4g} requests/s: {record.verdict}{_because(record)}", flush=True)
        return record.verdict == "holds"


def find_capacity(job: Job, precision: float, most: int) -> Record:
    """The record of the highest rate that held, or of the lowest that did not, with all that were tried."""
    load = job.budget.load
    assert isinstance(load, SteadyLoad)
    prober: Prober | None = None
    try:
        with service_at(job.place, job.budget) as service:
            prober = Prober(job.budget, service)
            notes = _searched(prober, load.rate, precision, most)
    except NotMeasuredError as error:
        if prober is None or not prober.tried:
            return unmeasured(job.budget, job.place.host or str(job.place.bundle), str(error))
        record = _summed_up(prober.tried, precision)
        reason = f"the search was cut short: {error}"
        return record.model_copy(update={"verdict": "not measured", "reasons": [reason, *record.reasons]})
    record = _summed_up(prober.tried, precision)
    return record.model_copy(update={"notes": [*notes, *record.notes]})


def _searched(prober: Prober, start: float, precision: float, most: int) -> list[str]:
    """Try the rates; a note if a trial of the next one would measure nothing, which ends the search."""
    try:
        search(prober.holds, start, precision, most)
    except NothingSentError:
        rate = _bounds(prober.tried).next_rate(start)
        return [f"the search ended at {rate:.4g} requests/s, of which none comes after the warm-up: raise load.seconds"]
    return []


def main(arguments: Sequence[str] | None = None) -> int:
    """A line for each rate, then the answer."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.capacity", description=__doc__)
    add_options(parser, REPORT)
    parser.add_argument("--target-rps", type=positive(float), metavar="RATE", help="print the replicas for this rate")
    parser.add_argument(
        "--headroom", type=share_below_one, default=0.3, help="share of each replica kept free; default: 0.3"
    )
    parser.add_argument(
        "--precision", type=positive(float), default=0.05, help="of the rate that is found; default: 0.05"
    )
    parser.add_argument("--most-trials", type=positive(int), default=12, help="most rates to try; default: 12")
    given = parser.parse_args(arguments)
    try:
        job = job_of(given)
        if not isinstance(job.budget.load, SteadyLoad):
            raise WrongUsageError(f"{given.budget}: load.kind: a search for a rate takes poisson or constant")
    except WrongUsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    record = find_capacity(job, given.precision, given.most_trials)
    if record.capacity and (rate := record.capacity.rate) is not None:
        print(_answer(rate, record.capacity.missed_at))
        if given.target_rps:
            count = replicas(given.target_rps, rate, given.headroom)
            print(f"{count} replicas for {given.target_rps:g} requests/s with {given.headroom:.0%} head-room")
    return finish(record, job.report)


def _answer(rate: float, missed_at: float | None) -> str:
    above = "no higher rate was tried" if missed_at is None else f"it is missed at {missed_at:.4g}"
    return f"the budget holds at {rate:.4g} requests/s; {above}"


def _summed_up(tried: dict[float, Record], precision: float) -> Record:
    bounds = _bounds(tried)
    shown = tried[min(tried) if bounds.held is None else bounds.held]
    notes = []
    if bounds.failed is not None and (problem := problem_of_sender(tried[bounds.failed])):
        notes.append(f"at {bounds.failed:.4g} requests/s {problem}; the service may hold more")
    exact = bounds.within(precision) and not notes
    points = [_point(*one) for one in tried.items()]
    capacity = Capacity(rate=bounds.held, missed_at=bounds.failed, exact=exact, points=points)
    # The service did answer before each rate: where it then answered nothing, the rate was too high.
    verdict = "missed" if bounds.held is None else shown.verdict
    return shown.model_copy(update={"verdict": verdict, "capacity": capacity, "notes": [*notes, *shown.notes]})


def _point(rate: float, record: Record) -> Point:
    figures = record.figures
    assert figures
    return Point(
        rate=round(rate, 4),
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        error_rate=figures.error_rate,
        holds=record.verdict == "holds",
    )


def _bounds(tried: dict[float, Record]) -> Bounds:
    held = [rate for rate, record in tried.items() if record.verdict == "holds"]
    failed = [rate for rate, record in tried.items() if record.verdict != "holds"]
    return Bounds(max(held, default=None), min(failed, default=None))


def _because(record: Record) -> str:
    return f" ({'; '.join(record.reasons)})" if record.reasons else ""


if __name__ == "__main__":
    sys.exit(main())
