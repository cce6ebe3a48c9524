"""What the metrics show of buckets."""

from __future__ import annotations

from service.gpu.bucket_runner import BucketRunner
from service.metrics import Metrics


def watch_buckets(metrics: Metrics, runner: BucketRunner) -> None:
    """Show how many shapes there are, and what the device had no memory for."""
    metrics.watch("aisle_bucket_shapes", "Shapes that micro-batches run in.", lambda: len(list(runner.shapes)))
    metrics.watch_total(
        "aisle_bucket_splits", "Micro-batches run in smaller shapes for want of memory.", lambda: runner.splits
    )
