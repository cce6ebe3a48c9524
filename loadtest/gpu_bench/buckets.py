"""Pairs per second of full batches that lie on the device, in each way that the graph can be run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Barrier, BrokenBarrierError

from loadtest.gpu_bench.arithmetic import Bucket, bucket_name
from loadtest.gpu_bench.graph import MIXED, DeviceGraph, Run
from loadtest.gpu_bench.plan import Device, Plan
from loadtest.measured import Measured, significant
from relevance.runtime_errors import in_short

TWO = 2
"""Batches in flight, of which one can be launched while the other is computed."""
CUDA_ALONE = "CUDA alone has it"
"""Why a CPU leaves a way out."""


@dataclass(slots=True)
class Speeds:
    """Pairs per second by way and bucket, and of the ways that could not be measured why."""

    found: dict[str, dict[Bucket, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, way: str, bucket: Bucket, prepare: Callable[[], Sequence[Run]], plan: Plan) -> None:
        """Measure what `prepare` gives; what fails, for instance for lack of memory, is left out with the reason."""
        try:
            measured = measure(prepare(), bucket[0], plan.seconds)
        except Exception as error:
            self.left_out[f"{way} {bucket_name(bucket)}"] = in_short(error)
            return
        self.found.setdefault(way, {})[bucket] = significant(measured.pairs_per_second)

    def best(self) -> dict[Bucket, float]:
        """The fastest of the ways whose batches are full, by bucket."""
        best: dict[Bucket, float] = {}
        for way, speeds in self.found.items():
            if not way.startswith("mixed"):
                for bucket, speed in speeds.items():
                    best[bucket] = max(speed, best.get(bucket, 0.0))
        return best


def measure(runs: Sequence[Run], pairs: int, seconds: float) -> Measured:
    """Run for at least `seconds`, each of `runs` in a thread of its own, in which it is warmed up before."""
    ready = Barrier(len(runs))

    def work(run: Run) -> tuple[float, list[float], float]:
        # In its own thread: that is where ONNX Runtime keeps a captured graph. Two: the first one captures.
        try:
            for _ in range(2):
                run()
        except Exception:
            ready.abort()
            raise
        ready.wait()
        took: list[float] = []
        started = before = time.perf_counter()
        while before - started < seconds:
            run()
            now = time.perf_counter()
            took.append(now - before)
            before = now
        return started, took, before

    with ThreadPoolExecutor(len(runs)) as pool:
        futures = [pool.submit(work, run) for run in runs]
    failures = [error for future in futures if (error := future.exception())]
    # One that fails breaks the barrier of the others, which is not the reason.
    for error in sorted(failures, key=lambda error: isinstance(error, BrokenBarrierError)):
        raise error
    done = [future.result() for future in futures]
    latencies = [latency for _, own, _ in done for latency in own]
    whole = max(end for _, _, end in done) - min(start for start, _, _ in done)
    return Measured(pairs * len(latencies), whole, latencies)


def measure_ways(graph: Path, packed: Path | None, plan: Plan) -> Speeds:
    """Every way, on the device. A way that does not work is left out, with the reason.

    `packed` is the same model without padding, None where that has none that may be timed.
    """
    speeds = Speeds()
    opened = DeviceGraph(graph, plan.device)
    for bucket in plan.buckets:
        speeds.add("bound", bucket, partial(_bound, opened, bucket), plan)
    for bucket in plan.few_buckets:
        speeds.add("two_at_a_time", bucket, partial(_bound, opened, bucket, count=TWO), plan)
        speeds.add("two_sessions", bucket, partial(_sessions, graph, plan.device, bucket), plan)
        speeds.add("mixed_padded", bucket, partial(_bound, opened, bucket, MIXED), plan)
    if plan.device != "cuda":
        speeds.left_out["cuda_graph"] = CUDA_ALONE
        return speeds
    for bucket in plan.few_buckets:
        # A session each: one captures one shape.
        speeds.add("cuda_graph", bucket, partial(_captured, graph, bucket), plan)
    if packed is not None:
        for bucket in plan.few_buckets:
            speeds.add("mixed_packed", bucket, partial(_packed, packed, bucket), plan)
    return speeds


def _bound(graph: DeviceGraph, bucket: Bucket, fill: float = 1.0, count: int = 1) -> list[Run]:
    return [graph.bound(bucket, fill) for _ in range(count)]


def _sessions(graph: Path, device: Device, bucket: Bucket) -> list[Run]:
    """Each with a stream of its own; those of one session share one."""
    return [DeviceGraph(graph, device).bound(bucket) for _ in range(TWO)]


def _captured(graph: Path, bucket: Bucket) -> list[Run]:
    return [DeviceGraph(graph, "cuda", captured=True).bound(bucket)]


def _packed(graph: Path, bucket: Bucket) -> list[Run]:
    return [DeviceGraph(graph, "cuda").bound(bucket, MIXED)]
