"""What the metrics show of a split student: its caches by tier, and what encoding products took."""

from __future__ import annotations

from service.gpu.watching import watch_buckets
from service.metrics import Metrics
from service.split.opening import SplitEngine


def watch_split(metrics: Metrics, split: SplitEngine) -> None:
    """Show the tiers of the product store, the remembered queries, and the products that had to be encoded."""
    store, encoded, pairing = split.store, split.runner.encoded, split.pairing
    metrics.watch_cache("product", store.memory)
    metrics.watch_cache("catalogue", store.disk)
    metrics.watch_cache("query", split.queries)
    if (follower := split.follower) is not None:
        told = "Whether the catalogue in the directory cannot be used."
        metrics.watch("aisle_catalogue_refused", told, lambda: follower.refused)
    if split.shared is not None:
        split.shared.watch(metrics)
    if split.runner.graphs.fitting:
        watch_buckets(metrics, split.runner.graphs.fitting)
    metrics.watch_total("aisle_product_cache_evictions", "Records that had to go.", lambda: store.memory.evictions)
    metrics.watch_total("aisle_catalogue_damaged_reads", "Records that were not whole.", lambda: store.disk.damaged)
    metrics.watch_total("aisle_late_lookups", "Lookups that took too long.", lambda: pairing.late_lookups)
    metrics.watch_total("aisle_encoded_products", "Products that no tier held.", lambda: encoded.products)
    metrics.watch_total("aisle_encoding_seconds", "Time that encoding those took.", lambda: encoded.seconds)
