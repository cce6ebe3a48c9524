"""`python -m loadtest.run --budget BUDGET.toml`: does the service hold its budget under this load?

Exit code 0: it holds; 1: it is missed; 2: wrong usage, or the service could not be measured. What was measured is
in the report in any case.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from loadtest.command import NOT_MEASURED, Job, WrongUsageError, add_options, finish, job_of
from loadtest.measured_service import NotMeasuredError, service_at
from loadtest.report.build import record_of, unmeasured
from loadtest.report.record import Figures, Record
from loadtest.requests import Requests
from loadtest.trial import check_answers, run_trial

REPORT = "runs/loadtest/report.html"


def run(job: Job) -> Record:
    """Send the load once and hold the budget against what came of it."""
    try:
        with service_at(job.place, job.budget) as service:
            check_answers(service, job.requests)
            print(f"sending {_load(job.requests)} to {service.target}", file=sys.stderr)
            trial = run_trial(service, job.requests)
            return record_of(job.budget, service, job.requests, trial)
    except NotMeasuredError as error:
        return unmeasured(job.budget, job.place.host or str(job.place.bundle), str(error))


def main(arguments: Sequence[str] | None = None) -> int:
    """One line of figures, then the verdict."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.run", description=__doc__)
    add_options(parser, REPORT)
    given = parser.parse_args(arguments)
    try:
        job = job_of(given)
    except WrongUsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return NOT_MEASURED
    record = run(job)
    if record.figures:
        print(_line(record.figures))
    return finish(record, job.report)


def _load(requests: Requests) -> str:
    return f"{len(requests.arrivals)} requests in {requests.seconds:.4g} s"


def _line(figures: Figures) -> str:
    times = ", ".join(
        f"{name} {'no answer' if ms is None else f'{ms:.4g} ms'}"
        for name, ms in (("p50", figures.p50_ms), ("p95", figures.p95_ms), ("p99", figures.p99_ms))
    )
    return (
        f"{figures.requests} requests at {figures.offered_per_s:.4g}/s: {times}, "
        f"errors {figures.error_rate:.2%}, degraded {figures.degraded_share:.2%}"
    )


if __name__ == "__main__":
    sys.exit(main())
