"""Shoppers searching: each user sends one list of candidates after another, drawn from one shop.

`locust -f loadtest/locustfile.py --host http://127.0.0.1:8080`, with its web UI or `--headless`. More load than one
core can make: `--processes -1`, or `--master` and `--worker --master-host …` on several machines.
Seven in ten requests ask `/score`, one each the rerank routes; `--tags` chooses among `score`, `cohere`, `jina` and
`tei` (on every worker too).
`LOADTEST_CANDIDATES` makes all lists of one length, `LOADTEST_THINK_SECONDS` (0) is what a user waits after each reply
on average, `LOADTEST_API_KEY` the key to send. These are closed-loop users, whom a slow server slows down: for a
latency budget take `python -m loadtest.run`.
"""

from __future__ import annotations

import os
from itertools import count, cycle
from random import expovariate
from typing import Any

from locust import FastHttpUser, events, tag, task
from locust.runners import WorkerRunner

from loadtest.inspection import degraded_in
from loadtest.routes import ROUTES, RouteName
from loadtest.shapes import load_shapes
from loadtest.shop_workload import Shop
from loadtest.systems import Call

BODIES = 200
PERCENTILES = (0.5, 0.95, 0.99)
STREAMS_PER_WORKER = 100_000

SHOP = Shop(load_shapes().of_length(os.environ.get("LOADTEST_CANDIDATES")))
THINK_SECONDS = float(os.environ.get("LOADTEST_THINK_SECONDS", "0"))
_numbers = count()


class Shopper(FastHttpUser):
    """A closed-loop user: the next request goes out when the reply is in and has been thought about."""

    def wait_time(self) -> float:
        """Seconds until the next request."""
        return expovariate(1 / THINK_SECONDS) if THINK_SECONDS > 0 else 0.0

    def on_start(self) -> None:
        """Give each user its own part of the workload, on every worker."""
        runner = self.environment.runner
        first = STREAMS_PER_WORKER * runner.worker_index if isinstance(runner, WorkerRunner) else 0
        self._bodies = SHOP.bodies(BODIES, first + next(_numbers))
        self._turns = cycle(range(BODIES))
        self._calls: dict[tuple[RouteName, int], Call] = {}
        key = os.environ.get("LOADTEST_API_KEY")
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    @tag("score")
    @task(7)
    def score(self) -> None:
        """Score one list."""
        self._ask("score")

    @tag("cohere")
    @task(1)
    def cohere(self) -> None:
        """Rerank one list as Cohere's clients do."""
        self._ask("cohere")

    @tag("jina")
    @task(1)
    def jina(self) -> None:
        """Rerank one list as Jina's clients do."""
        self._ask("jina")

    @tag("tei")
    @task(1)
    def tei(self) -> None:
        """Rerank one list as the clients of Text Embeddings Inference do."""
        self._ask("tei")

    def _ask(self, name: RouteName) -> None:
        """Send one list; a reply that is degraded, or that holds no scores, counts as a failure."""
        route, call = ROUTES[name], self._next_call(name)
        content = call.content.decode()
        with self.client.post(route.path, data=content, headers=self._headers, catch_response=True) as response:
            if response.status_code != 200:
                _fail(response, f"status {response.status_code}")
                return
            fault, degraded = route.inspect(response.content, call.pairs)
            if fault or degraded or degraded_in(response.headers):
                _fail(response, fault or "degraded")

    def _next_call(self, name: RouteName) -> Call:
        # The routes take turns at the lists: one asked again by another route would be answered from a cache.
        turn = next(self._turns)
        if (name, turn) not in self._calls:
            self._calls[name, turn] = ROUTES[name].call(self._bodies[turn])
        return self._calls[name, turn]


def _fail(response: Any, reason: str) -> None:
    response.failure(reason)


def _print_percentiles(environment: Any, **_: Any) -> None:
    if isinstance(environment.runner, WorkerRunner):
        # The master knows of all.
        return
    total = environment.stats.total
    # A failure is as fast as its refusal, and scores nothing.
    answered = total.num_requests - total.num_failures
    if not answered:
        print(f"no request was answered, {total.num_failures} failed; is the service running?")
        environment.process_exit_code = 1
        return
    times = " ".join(f"p{round(100 * p)} {total.get_response_time_percentile(p):.0f} ms" for p in PERCENTILES)
    pairs = (total.total_rps - total.total_fail_per_sec) * SHOP.shapes.mean_candidates
    print(f"{total.num_requests} requests, {total.num_failures} failed, {times}, {pairs:.0f} pairs/s")


events.quitting.add_listener(_print_percentiles)  # type: ignore[no-untyped-call]
