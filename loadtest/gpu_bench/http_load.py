"""The real service on the device: one client, and as many as it takes to fill it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loadtest.closed_loop import ask, drive
from loadtest.gpu_bench.plan import Plan
from loadtest.measured import Measured, quantile_ms, significant
from loadtest.server import launch_aisle, started
from loadtest.systems import Aisle, Target
from loadtest.workload import Body


@dataclass(frozen=True, slots=True)
class Served:
    """The service, ready."""

    target: Target

    def scores(self, body: Body) -> npt.NDArray[np.float64]:
        """Score of each candidate."""
        return np.array(Aisle().scores(ask(self.target, Aisle().call(body))), dtype=np.float64)

    def load(self, bodies: Sequence[Body], clients: int, plan: Plan) -> Measured:
        """A closed loop over the bodies, once it is warm."""
        calls = [Aisle().call(body) for body in bodies]
        drive(self.target, cycle(calls), clients, plan.http_seconds / 4)
        return drive(self.target, cycle(calls), clients, plan.http_seconds)


@contextmanager
def served(bundle: Path, plan: Plan, **settings: object) -> Iterator[Served]:
    """The service on the bundle and the device; RuntimeError, with the end of its log, if it does not start."""
    launch = launch_aisle(bundle, provider=plan.device, **settings)
    with started(launch) as server:
        server.wait_until_ready()
        yield Served(Target("aisle", server.host, server.port, Aisle().path))


def figures(measured: Measured) -> dict[str, float | None]:
    """Throughput, latency of a request, and how many requests they are of."""
    return {
        "pairs_per_s": significant(measured.pairs_per_second),
        "p50_ms": quantile_ms(measured.latencies, 0.5),
        "p99_ms": quantile_ms(measured.latencies, 0.99),
        "requests": len(measured.latencies),
    }
