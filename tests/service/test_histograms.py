from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as LibraryHistogram
from prometheus_client.openmetrics import exposition as openmetrics

from service.histograms import Histogram, HistogramCollector, registered

BOUNDS = (0.1, 0.5, 1.0)


def lines(registry: CollectorRegistry) -> list[str]:
    """The samples of a scrape; the library's own histograms tell beside them since when they count."""
    text = generate_latest(registry).decode()
    return sorted(line for line in text.splitlines() if "_created" not in line)


@given(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, 7.0]), max_size=30))
def test_a_scrape_sees_what_the_librarys_own_would_show(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histogram = registered(ours, "times_seconds", "Times.", BOUNDS)
    other = LibraryHistogram("times_seconds", "Times.", buckets=BOUNDS, registry=theirs)
    for value in values:
        histogram.observe(value)
        other.observe(value)
    assert lines(ours) == lines(theirs)


def test_a_label_tells_histograms_apart() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    histograms = {"queue": Histogram(BOUNDS), "total": Histogram(BOUNDS)}
    ours.register(HistogramCollector("stage_seconds", "Stages.", histograms, label="stage"))
    other = LibraryHistogram("stage_seconds", "Stages.", ["stage"], buckets=BOUNDS, registry=theirs)
    for stage, value in (("queue", 0.2), ("total", 0.4), ("total", 3.0)):
        histograms[stage].observe(value)
        other.labels(stage).observe(value)
    assert lines(ours) == lines(theirs)


def test_the_last_exemplar_of_a_bucket_is_shown() -> None:
    registry = CollectorRegistry()
    histogram = registered(registry, "times_seconds", "Times.", BOUNDS)
    histogram.observe(0.2, {"request_id": "first"})
    histogram.observe(0.3, {"request_id": "second"})
    histogram.observe(0.3)
    text = openmetrics.generate_latest(registry).decode()  # type: ignore[no-untyped-call]  # the library's
    (line,) = [line for line in text.splitlines() if " # " in line]
    assert line.startswith('times_seconds_bucket{le="0.5"} 3.0 # {request_id="second"} 0.3 ')
