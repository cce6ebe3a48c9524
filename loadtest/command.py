"""What the commands that hold a budget share: their options, and how they end."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

from loadtest.budget import Budget, BudgetError, load_budget
from loadtest.measured_service import DEFAULT_BUNDLE, Place
from loadtest.replay import LogError
from loadtest.report.record import Record, Verdict
from loadtest.report.write import write_report
from loadtest.requests import Requests, requests_of
from loadtest.shapes import ShapesError

HOLDS, MISSED, NOT_MEASURED = 0, 1, 2
EXIT_CODES: dict[Verdict, int] = {"holds": HOLDS, "missed": MISSED, "not measured": NOT_MEASURED}


class WrongUsageError(Exception):
    """The command was given something that it cannot work with; says what."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a command was asked to do."""

    budget: Budget
    requests: Requests
    place: Place
    report: Path


def add_options(parser: argparse.ArgumentParser, report: str) -> None:
    """The options of every command that sends a load; `report` is where its page goes if nobody says."""
    parser.add_argument("--budget", type=Path, required=True, metavar="BUDGET.toml")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--host", metavar="URL", help="a service that runs already, such as http://127.0.0.1:8080")
    where.add_argument(
        "--bundle", type=Path, default=DEFAULT_BUNDLE, help=f"start a service on it; default: {DEFAULT_BUNDLE}"
    )
    parser.add_argument("--pid", type=int, help="process of the service at --host, if it runs on this machine")
    parser.add_argument("--report", type=Path, default=Path(report), metavar="FILE.html", help=f"default: {report}")


def job_of(given: argparse.Namespace) -> Job:
    """Check everything before anything is sent; WrongUsageError names what is wrong."""
    if given.report.suffix != ".html":
        raise WrongUsageError(f"--report is an .html file, got {given.report}")
    if given.pid is not None and given.host is None:
        raise WrongUsageError("--pid belongs to --host: of a service that is started here it is known")
    try:
        budget = load_budget(given.budget)
        if given.host is not None and budget.service:
            raise WrongUsageError(f"{given.budget}: service settings are for a service that is started here")
        return Job(budget, requests_of(budget), Place(given.host, given.pid, given.bundle), given.report)
    except (BudgetError, LogError, ShapesError) as error:
        raise WrongUsageError(str(error)) from error


def finish(record: Record, report: Path) -> int:
    """Write the report, say how it went, and return the exit code."""
    for note in record.notes:
        print(f"note: {note}", file=sys.stderr)
    for reason in record.reasons:
        print(f"{record.verdict}: {reason}", file=sys.stderr)
    try:
        content = write_report(record, report)
    except OSError as error:
        print(f"error: cannot write {report}: {error.strerror}", file=sys.stderr)
        return NOT_MEASURED
    print(f"{record.verdict}; see {report} and {content}")
    return EXIT_CODES[record.verdict]
