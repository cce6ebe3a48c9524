"""One run of a load against a service, watched from outside."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field

from loadtest.arrivals import Times
from loadtest.measured_service import MeasuredService, NotMeasuredError
from loadtest.open_loop import Plan, Sent, send, send_here
from loadtest.outcomes import Outcome
from loadtest.requests import Requests
from loadtest.systems import Call
from loadtest.usage import Sampler, Usage

INTERRUPTED = "interrupted"
DYING_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What was sent, and what the service's process used meanwhile: (seconds of the load, usage)."""

    sent: Sent
    usage: list[tuple[float, Usage]] = field(repr=False)
    usage_problem: str = ""

    def outcomes_from(self, start: float) -> list[Outcome]:
        """The outcomes of requests that were meant to be sent at `start` (s) or later."""
        return [outcome for outcome in self.sent.outcomes if outcome.meant >= start]


def run_trial(service: MeasuredService, requests: Requests) -> Trial:
    """Send all requests and wait for the last reply; NotMeasuredError if the sender itself is ended."""
    plan = _plan(service, requests, requests.arrivals, requests.calls)
    try:
        with Sampler(service.usage) as sampler:
            sent = send(plan)
    except BrokenProcessPool as error:
        raise NotMeasuredError("the generator's process was ended; is there enough memory for the load?") from error
    # The sender's start-up is no part of the load.
    usage = [(at - sent.zero, used) for at, used in sampler.samples if at >= sent.zero]
    return Trial(sent, usage, sampler.problem)


def check_answers(service: MeasuredService, requests: Requests) -> None:
    """NotMeasuredError unless the service answers the first request with scores."""
    plan = _plan(service, requests, (0.0,), requests.calls[:1])
    sent = send_here(plan)
    if sent.interrupted:
        raise NotMeasuredError(INTERRUPTED)
    (outcome,) = sent.outcomes
    if not outcome.answered:
        text = f" ({outcome.error})" if outcome.error else ""
        # A process that dies in the middle of a reply is gone a moment after its connection.
        end = f"; {end}" if (end := service.end(patience=DYING_SECONDS)) else ""
        raise NotMeasuredError(f"{service.target} does not answer the first request: {outcome.kind}{text}{end}")


def _plan(service: MeasuredService, requests: Requests, arrivals: Times, calls: Sequence[Call]) -> Plan:
    return Plan(service.target, arrivals, calls, {**service.headers, **requests.headers}, requests.route.inspect)
