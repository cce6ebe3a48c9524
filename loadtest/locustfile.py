"""Shoppers searching: each user sends one list of candidates after another.

`locust -f loadtest/locustfile.py --host http://127.0.0.1:8080`, or `make loadtest` for a headless run.
`LOADTEST_CANDIDATES` sets the list's length, `LOADTEST_API_KEY` the key to send.
"""

from __future__ import annotations

import os
from itertools import cycle
from typing import Any

from locust import FastHttpUser, constant, events, task

from loadtest.workload import Workload

CANDIDATES = int(os.environ.get("LOADTEST_CANDIDATES", "50"))
BODIES = 200
PERCENTILES = (0.5, 0.95, 0.99)


class Shopper(FastHttpUser):
    """A closed-loop user without think time: the next request goes out when the reply is in."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Give each user its own part of the workload."""
        self._bodies = cycle(Workload(seed=id(self) % 10_000, candidates=CANDIDATES).bodies(BODIES))
        key = os.environ.get("LOADTEST_API_KEY")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    @task
    def score(self) -> None:
        """Score one list; a reply that is late-degraded or incomplete counts as a failure."""
        with self.rest("POST", "/score", json=next(self._bodies), headers=self._headers) as response:
            reply: dict[str, Any] | None = response.js
            if reply is None or response.status_code != 200:
                _fail(response, f"status {response.status_code}")
            elif reply["degraded"] or len(reply["results"]) != CANDIDATES:
                _fail(response, "degraded or incomplete")


def _fail(response: Any, reason: str) -> None:
    response.failure(reason)


def _print_percentiles(environment: Any, **_: Any) -> None:
    total = environment.stats.total
    if not total.num_requests:
        print("no request was answered; is the service running?")
        environment.process_exit_code = 1
        return
    times = " ".join(f"p{round(100 * p)} {total.get_response_time_percentile(p):.0f} ms" for p in PERCENTILES)
    pairs = total.total_rps * CANDIDATES
    print(f"{total.num_requests} requests, {total.num_failures} failed, {times}, {pairs:.0f} pairs/s")


events.quitting.add_listener(_print_percentiles)  # type: ignore[no-untyped-call]
