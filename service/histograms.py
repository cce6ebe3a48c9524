"""Histograms that one thread fills: the event loop, some twelve times for a request of eight micro-batches.

prometheus_client's own walk through all bounds and take two locks for each value, since they do not know that; all of
them together took a tenth of a small request's time on the loop. Scrapes read these through the same library.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import inf

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString


class Histogram:
    """Counts values by the first of `bounds`, ascending, that they do not exceed."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = (*bounds, inf)
        self._names = [floatToGoString(bound) for bound in self._bounds]  # type: ignore[no-untyped-call]
        self._counts = [0] * len(self._bounds)
        self._sum = 0.0
        self._exemplars: dict[int, Exemplar] = {}

    def observe(self, value: float, exemplar: Mapping[str, str] | None = None) -> None:
        """Count it; the labels of `exemplar` say where it came from, and are checked already."""
        bucket = bisect_left(self._bounds, value)
        self._counts[bucket] += 1
        self._sum += value
        if exemplar is not None:
            self._exemplars[bucket] = Exemplar(dict(exemplar), value, time.time())

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Show it under the values of the family's labels."""
        buckets = [
            (name, float(count), self._exemplars.get(bucket))
            for bucket, (name, count) in enumerate(zip(self._names, accumulate(self._counts), strict=True))
        ]
        family.add_metric(labels, buckets, self._sum)  # type: ignore[arg-type]  # a bucket may be without an exemplar


class HistogramCollector(Collector):
    """Histograms of one name, by the value of its one label; or one without a label, by ""."""

    def __init__(self, name: str, documentation: str, histograms: Mapping[str, Histogram], label: str = "") -> None:
        self._name, self._documentation = name, documentation
        self._histograms, self._labels = histograms, [label] if label else []

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What a scrape sees."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for value, histogram in self._histograms.items():
            histogram.add_to(family, [value] if self._labels else [])
        yield family


def registered(registry: CollectorRegistry, name: str, documentation: str, bounds: Sequence[float]) -> Histogram:
    """A histogram without labels that scrapes of `registry` see."""
    histogram = Histogram(bounds)
    registry.register(HistogramCollector(name, documentation, {"": histogram}))
    return histogram
