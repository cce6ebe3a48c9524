"""The Prometheus registry. What happens is told to it, in calls named after events; for what is, it asks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.autotune.tuning import Tuning
from service.backend import BatchRun
from service.caches import Lookups
from service.entry import DropReason
from service.exposition import exemplar_of
from service.gpu.placement import Placement
from service.histograms import Histogram, HistogramCollector, registered
from service.latency_window import LatencyWindow
from service.logs import current_request_id
from service.served import STAGES, Scored
from service.source import Source

BUCKET_RATIO = 1.15
QUANTILES = (0.5, 0.95, 0.99)
PADDING_BUCKETS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0)


def latency_buckets() -> tuple[float, ...]:
    """Bounds in seconds, at most 15 % apart between 1 ms and 2 s, where a p99 is read; coarser around that."""
    steps = math.ceil(math.log(2.0 / 0.001) / math.log(BUCKET_RATIO))
    fine = (round(0.001 * 2000 ** (step / steps), 6) for step in range(steps + 1))
    return (0.0001, 0.0002, 0.0005, *fine, 5.0, 10.0, 30.0)


class Cache(Protocol):
    """What the metrics read of a cache."""

    lookups: Lookups

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""


class Metrics:
    """The registry of one service."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry = CollectorRegistry()
        self._window = LatencyWindow(clock)
        ProcessCollector(registry=registry)
        registry.register(_WindowCollector(self._window))

        self._responses = Counter("aisle_responses", "Replies.", ["path", "status"], registry=registry)
        self._refused = Counter("aisle_refused", "Requests not answered with scores.", ["reason"], registry=registry)
        self._stages = {stage: Histogram(latency_buckets()) for stage in STAGES}
        told = "Time of a scored request in each stage; `total` is all of it."
        registry.register(HistogramCollector("aisle_stage_seconds", told, self._stages, label="stage"))
        self._pairs = Counter("aisle_scored_pairs", "Pairs scored and answered.", registry=registry)
        self._truncated = Counter("aisle_truncated_pairs", "Pairs of which tokens were cut.", registry=registry)
        self._degraded = Counter("aisle_degraded_requests", "Replies with unscored pairs.", registry=registry)
        self._dropped = Counter("aisle_dropped_pairs", "Admitted pairs never run.", ["reason"], registry=registry)
        self._reused = Counter(
            "aisle_reused_pairs", "Pairs scored without a computation of their own.", ["source"], registry=registry
        )

        powers = [2**power for power in range(15)]
        self._batch_pairs = registered(registry, "aisle_batch_pairs", "Pairs in a batch.", powers)
        told = "Tokens of a micro-batch, with its padding; of a split student, what it costs in tokens."
        self._batch_tokens = registered(registry, "aisle_batch_tokens", told, powers)
        self._batch_seconds = registered(registry, "aisle_batch_seconds", "Time of a micro-batch.", latency_buckets())
        told = "Padding in a micro-batch of a cross-encoder, over its padded tokens."
        self._padding = registered(registry, "aisle_padding_waste_ratio", told, PADDING_BUCKETS)

    def response_sent(self, path: str, status: int) -> None:
        """A reply left; `path` is a route's, so that its values are few."""
        self._responses.labels(path, str(status)).inc()

    def refused(self, reason: str) -> None:
        """A request was not answered with scores; `reason` is the error's code."""
        self._refused.labels(reason).inc()

    def request_scored(self, scored: Scored) -> None:
        """The body of the request at hand was answered; its id becomes the exemplar of its buckets."""
        exemplar = exemplar_of(current_request_id())
        for stage, seconds in scored.timings.seconds().items():
            self._stages[stage].observe(seconds, exemplar)
        self._window.add(scored.timings.total)
        self._pairs.inc(scored.scored)
        self._truncated.inc(scored.truncated)
        self._degraded.inc(scored.degraded)

    def batch_done(self, run: BatchRun) -> None:
        """A micro-batch ran."""
        self._batch_pairs.observe(len(run.logits))
        self._batch_tokens.observe(run.padded_tokens or run.tokens)
        self._batch_seconds.observe(run.seconds)
        if run.padded_tokens is not None:
            self._padding.observe(1 - run.tokens / run.padded_tokens)

    def work_dropped(self, reason: DropReason, pairs: int) -> None:
        """Admitted pairs left the queue unscored."""
        self._dropped.labels(reason.value).inc(pairs)

    def pairs_reused(self, source: Source, pairs: int) -> None:
        """Pairs were scored by what was known, or by an identical pair's run."""
        self._reused.labels(source.value).inc(pairs)

    def watch_cache(self, name: str, cache: Cache) -> None:
        """Show a cache's lookups and size whenever the metrics are asked for."""
        self.registry.register(_CacheCollector(name, cache))

    def watch(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show `read()` as a gauge whenever the metrics are asked for."""
        Gauge(name, documentation, registry=self.registry).set_function(read)

    def watch_total(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        """Show `read()`, which only grows, as a counter whenever the metrics are asked for."""
        self.registry.register(_TotalCollector(name, documentation, read))

    def model_loaded(self, name: str, version: str) -> None:
        """The bundle that scores from now on."""
        info = Gauge("aisle_model_info", "The bundle that scores.", ["name", "version"], registry=self.registry)
        info.labels(name, version).set(1)

    def engine_placed(self, placement: Placement) -> None:
        """On what the bundle runs from now on."""
        names = {"asked": placement.asked, "provider": placement.provider, "precision": placement.precision}
        info = Gauge("aisle_provider_info", "What the bundle runs on.", list(names), registry=self.registry)
        info.labels(**names).set(1)
        fallback = Gauge(
            "aisle_provider_fallback",
            "Whether that is not the provider asked for, or not the GPU that is there.",
            registry=self.registry,
        )
        fallback.set(placement.fallback is not None)

    def engine_tuned(self, tuning: Tuning, lone_threads: int) -> None:
        """How the engine runs from now on, and what was measured of that."""
        chosen = {
            "sessions": ("Micro-batches that run at a time.", tuning.sessions),
            "threads": ("Threads inside a micro-batch.", tuning.threads),
            "lone_threads": ("Threads inside a micro-batch that runs alone.", lone_threads),
            "micro_batch_tokens": ("Most padded tokens in a micro-batch.", tuning.micro_batch_tokens),
        }
        for name, (documentation, value) in chosen.items():
            Gauge(f"aisle_tuned_{name}", documentation, registry=self.registry).set(value)
        speeds = Gauge(
            "aisle_tuned_ns_per_token",
            "Nanoseconds of the whole machine per padded token when tuned, by the size of the micro-batch.",
            ["pairs", "length"],
            registry=self.registry,
        )
        for bucket in tuning.buckets():
            speeds.labels(str(bucket.pairs), str(bucket.length)).set(bucket.ns_per_token)


class _WindowCollector(Collector):
    """Reads the window at scrape time, so that the gauge is of the minute before the scrape."""

    def __init__(self, window: LatencyWindow) -> None:
        self._window = window

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "aisle_latency_last_minute_seconds",
            "Total time of the requests scored in the last minute.",
            labels=["quantile"],
        )
        for quantile, seconds in zip(QUANTILES, self._window.quantiles(QUANTILES), strict=True):
            family.add_metric([str(quantile)], seconds)
        yield family


class _TotalCollector(Collector):
    """Reads a total at scrape time: it is counted where it arises."""

    def __init__(self, name: str, documentation: str, read: Callable[[], float]) -> None:
        self._name, self._documentation, self._read = name, documentation, read

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._documentation, self._read())


class _CacheCollector(Collector):
    """Reads a cache at scrape time: the caches count for themselves, in whichever thread they are asked."""

    def __init__(self, name: str, cache: Cache) -> None:
        self._name = name
        self._cache = cache

    def collect(self) -> Iterable[Metric]:
        prefix, lookups = f"aisle_{self._name}_cache", self._cache.lookups
        yield CounterMetricFamily(f"{prefix}_hits", "Lookups that found the answer.", lookups.hits)
        yield CounterMetricFamily(f"{prefix}_misses", "Lookups that did not.", lookups.misses)
        yield GaugeMetricFamily(f"{prefix}_hit_ratio", "Hits over lookups since the start.", lookups.hit_ratio)
        yield GaugeMetricFamily(f"{prefix}_bytes", "Memory that the entries take.", self._cache.size_bytes)
