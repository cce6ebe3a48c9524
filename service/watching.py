"""What `/metrics` reads of the service whenever it is asked: how much work there is, and how the engine fares."""

from __future__ import annotations

from service.admission import Admission
from service.batch_queue import BatchQueue
from service.engine import Engine
from service.gpu.bucket_runner import BucketRunner
from service.gpu.watching import watch_buckets
from service.job import Job
from service.lifecycle import Lifecycle
from service.metrics import Metrics
from service.split.watching import watch_split


def watch_service(
    metrics: Metrics, engine: Engine, lifecycle: Lifecycle, queue: BatchQueue[Job], admission: Admission
) -> None:
    """Show the queue, the door and the engine, and of that what its kind has beside."""
    backend = engine.backend
    metrics.watch("aisle_in_flight_requests", "Requests accepted and not yet answered.", lambda: lifecycle.in_flight)
    metrics.watch("aisle_queue_pairs", "Pairs that wait for a micro-batch.", lambda: queue.pairs)
    metrics.watch("aisle_queue_tokens", "Tokens that wait for a micro-batch.", lambda: queue.tokens)
    metrics.watch("aisle_admitted_tokens", "Tokens that admitted requests hold.", lambda: admission.outstanding)
    metrics.watch("aisle_late_margin_seconds", "Added to predictions.", lambda: admission.margin.seconds)
    metrics.watch("aisle_stuck_batches", "Runs given up that still hold a thread.", lambda: backend.stuck)
    if engine.split is not None:
        watch_split(metrics, engine.split)
    if isinstance(backend.runner, BucketRunner):
        watch_buckets(metrics, [backend.runner.fitting])
