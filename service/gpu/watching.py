"""What the metrics show of buckets."""

from __future__ import annotations

from collections.abc import Sequence

from service.gpu.fitting import FittingShapes
from service.metrics import Metrics


def watch_buckets(metrics: Metrics, graphs: Sequence[FittingShapes]) -> None:
    """Show how many shapes there are, of all graphs together, and what the device had no memory for."""
    metrics.watch(
        "aisle_bucket_shapes",
        "Shapes that micro-batches run in.",
        lambda: sum(len(list(graph.left)) for graph in graphs),
    )
    metrics.watch_total(
        "aisle_bucket_splits",
        "Micro-batches run in smaller shapes for want of memory.",
        lambda: sum(graph.splits for graph in graphs),
    )
