"""Open-loop clients: each request is sent at its time, however many replies are still out.

A request's latency counts from the time at which it was *meant* to be sent, so a sender that falls behind
shows as latency instead of hiding it (coordinated omission); how far it fell behind is told as well. The
sender is a process of its own: nothing else runs on its event loop.
"""

from __future__ import annotations

import asyncio
import math
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import aiohttp
import uvloop

from loadtest.systems import Call, Target

HEAD_START = 0.05
"""Seconds until time zero, for the first requests' tasks to exist."""

IDLE_SECONDS = 2.0
"""Idle connections are closed before the servers' own limit of 5 s: none is found dead when it is needed."""

NO_REPLY = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """At `arrivals[i]` seconds, call i modulo their number goes to `target`."""

    target: Target
    arrivals: Sequence[float]
    calls: Sequence[Call]

    def call(self, index: int) -> Call:
        """The i-th request."""
        return self.calls[index % len(self.calls)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request that was meant to be sent at `meant`, and was sent `lag` later (s).

    Without a reply, `latency` is infinite and `status` NO_REPLY.
    """

    pairs: int
    meant: float
    lag: float
    latency: float = math.inf
    status: int = NO_REPLY
    reply: bytes = field(default=b"", repr=False)
    error: str = ""

    @property
    def answered(self) -> bool:
        """Whether the reply holds scores."""
        return self.status == 200

    @property
    def done(self) -> float:
        """When its reply was in, on the clock of the plan."""
        return self.meant + self.latency


def drive(plan: Plan) -> list[Outcome]:
    """Run the plan in a process of its own until its last reply; RuntimeError if no request got any reply."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as process:
        outcomes = process.submit(_send_all, plan).result()
    if outcomes and all(outcome.status == NO_REPLY for outcome in outcomes):
        raise plan.target.failure(f"none of {len(outcomes)} requests got a reply ({outcomes[0].error})")
    return outcomes


def _send_all(plan: Plan) -> list[Outcome]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send(plan))


async def _send(plan: Plan) -> list[Outcome]:
    timeout = aiohttp.ClientTimeout(total=plan.target.timeout)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        sender = _Sender(session, plan)
        async with asyncio.TaskGroup() as tasks:
            sent = []
            for index, arrival in enumerate(plan.arrivals):
                await sender.wait_until(arrival)
                sent.append(tasks.create_task(sender.send(index)))
        return [task.result() for task in sent]


class _Sender:
    """Knows the time since the start."""

    def __init__(self, session: aiohttp.ClientSession, plan: Plan) -> None:
        self._session = session
        self._plan = plan
        self._url = f"http://{plan.target.host}:{plan.target.port}{plan.target.path}"
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time() + HEAD_START

    async def wait_until(self, time: float) -> None:
        """Return at `time`, or as soon as the requests before it have been started."""
        await asyncio.sleep(max(0.0, time - self._now()))

    async def send(self, index: int) -> Outcome:
        """Send one request and wait for its reply; never raises for what the service does."""
        meant, call = self._plan.arrivals[index], self._plan.call(index)
        lag = self._now() - meant
        try:
            headers = {"Content-Type": "application/json"}
            async with self._session.post(self._url, data=call.content, headers=headers) as response:
                reply = await response.read()
                return Outcome(call.pairs, meant, lag, self._now() - meant, response.status, reply)
        except (aiohttp.ClientError, TimeoutError) as error:
            return Outcome(call.pairs, meant, lag, error=str(error) or type(error).__name__)

    def _now(self) -> float:
        return self._loop.time() - self._zero
