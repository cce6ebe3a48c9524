"""Open-loop clients: each request is sent at its time, however many replies are still out.

A request's latency counts from the time at which it was *meant* to be sent, so a sender that falls behind
shows as latency instead of hiding it (coordinated omission); how far it fell behind is told as well. The
sender is a process of its own: nothing else runs on its event loop.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import aiohttp
import uvloop

from loadtest.faults import fault_of
from loadtest.inspection import Inspect, degraded_in, inspected, stages_in
from loadtest.outcomes import NO_REPLY, Outcome
from loadtest.systems import Call, Target

HEAD_START = 0.05
"""Seconds until time zero, for the first requests' tasks to exist."""

IDLE_SECONDS = 2.0
"""Idle connections are closed before the servers' own limit of 5 s: none is found dead when it is needed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """At `arrivals[i]` seconds, call i modulo their number goes to `target`.

    With `inspect`, each reply of status 200 is read as it comes, and not kept.
    """

    target: Target
    arrivals: Sequence[float]
    calls: Sequence[Call]
    headers: Mapping[str, str] = field(default_factory=dict)
    inspect: Inspect | None = None

    def call(self, index: int) -> Call:
        """The i-th request."""
        return self.calls[index % len(self.calls)]


@dataclass(frozen=True, slots=True)
class Sent:
    """Outcomes in the order of the plan; the sender's own CPU time, and the time from zero to the last reply (s).

    `zero` is time zero on `time.monotonic`, which all processes of a machine share. `interrupted`: from the keyboard;
    requests without a reply by then are left out.
    """

    outcomes: list[Outcome]
    cpu_seconds: float
    seconds: float
    zero: float
    interrupted: bool = False


def drive(plan: Plan) -> list[Outcome]:
    """Run the plan in a process of its own until its last reply; RuntimeError if no request got any reply."""
    outcomes = send(plan).outcomes
    if outcomes and all(outcome.status == NO_REPLY for outcome in outcomes):
        raise plan.target.failure(f"none of {len(outcomes)} requests got a reply ({outcomes[0].error})")
    return outcomes


def send(plan: Plan) -> Sent:
    """Run the plan in a process of its own until its last reply, or the failure of all."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        sending = process.submit(_send_all, plan)
        try:
            return sending.result()
        except KeyboardInterrupt:
            # The terminal has told the sender as well: it stops, and hands over what it has.
            return sending.result()


def send_here(plan: Plan) -> Sent:
    """The same in this process, for a few requests whose lag does not matter."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(plan))


def _send_all(plan: Plan) -> Sent:
    # A request that waits for its reply is an open file.
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most_files, most_files))
    # The plan is large and stays: walking it again and again would delay sending.
    gc.freeze()
    return send_here(plan)


async def _send(plan: Plan) -> Sent:
    timeout = aiohttp.ClientTimeout(total=plan.target.timeout)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        sender, cpu_before = _Sender(session, plan), time.process_time()
        sent: list[asyncio.Task[Outcome]] = []
        interrupted = False
        try:
            async with asyncio.TaskGroup() as tasks:
                for index, arrival in enumerate(plan.arrivals):
                    await sender.wait_until(arrival)
                    sent.append(tasks.create_task(sender.send(index)))
        except asyncio.CancelledError:
            # Nobody cancels it but the runner, at SIGINT.
            interrupted = True
        cpu_seconds = time.process_time() - cpu_before
        outcomes = [task.result() for task in sent if not task.cancelled()]
        return Sent(outcomes, cpu_seconds, sender.now(), sender.zero, interrupted)


class _Sender:
    """Knows the time since the start."""

    def __init__(self, session: aiohttp.ClientSession, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._url = f"http://{plan.target.host}:{plan.target.port}{plan.target.path}"
        self._headers = {"Content-Type": "application/json", **plan.headers}
        self.zero = time.monotonic() + HEAD_START

    def now(self) -> float:
        """Seconds since time zero."""
        # The loop's own clock stands still while a callback runs, and counts whole milliseconds.
        return time.monotonic() - self.zero

    async def wait_until(self, moment: float) -> None:
        """Return at `moment` and never before, or as soon as the requests before it have been started."""
        await asyncio.sleep(max(0.0, moment - self.now()))
        # Timers count whole milliseconds and may be half of one early.
        while (early := moment - self.now()) > 0:
            await asyncio.sleep(early)

    async def send(self, index: int) -> Outcome:
        """Send one request and wait for its reply; never raises for what the service does."""
        meant, call = self._plan.arrivals[index], self._plan.call(index)
        lag = self.now() - meant
        try:
            async with self._session.post(self._url, data=call.content, headers=self._headers) as response:
                reply = await response.read()
                latency = self.now() - meant
                stages, degraded = stages_in(response.headers), degraded_in(response.headers)
        # A host's name that no domain can have is a UnicodeError.
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
            reason = str(error) or type(error).__name__
            return Outcome(call.pairs, meant, lag, error=reason, fault=fault_of(error))
        status = response.status
        outcome = Outcome(call.pairs, meant, lag, latency, status, reply, stages=stages, degraded=degraded)
        return outcome if self._plan.inspect is None else inspected(outcome, self._plan.inspect)
