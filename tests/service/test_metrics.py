from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from service.autotune.tuning import BucketSpeed, Tuning
from service.backend import BatchRun
from service.entry import DropReason
from service.logs import request_id_var
from service.metrics import Metrics, latency_buckets
from service.served import Scored, Stage, Timings

TIMINGS = Timings(Stage(0.0001, 0.001234), Stage(0.0014, 0.0005), Stage(0.0019, 0.02), total=0.022)
SCORED = Scored(TIMINGS, candidates=60, scored=50, truncated=3)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(clock=lambda: 0.0)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_buckets_are_at_most_15_percent_wide_where_a_p99_is_read() -> None:
    read = [bound for bound in latency_buckets() if 0.001 <= bound <= 2.0]
    assert (read[0], read[-1]) == (0.001, 2.0)
    assert all(1 < upper / lower <= 1.151 for lower, upper in pairwise(read))


def test_buckets_are_few_enough_to_scrape() -> None:
    assert len(latency_buckets()) < 70
    assert list(latency_buckets()) == sorted(set(latency_buckets()))


def test_a_scored_request_is_in_every_histogram_once(metrics: Metrics) -> None:
    metrics.request_scored(SCORED)
    for stage, seconds in TIMINGS.seconds().items():
        assert value(metrics, "aisle_stage_seconds_count", stage=stage) == 1
        assert value(metrics, "aisle_stage_seconds_sum", stage=stage) == seconds
    assert value(metrics, "aisle_scored_pairs_total") == 50
    assert value(metrics, "aisle_truncated_pairs_total") == 3
    assert value(metrics, "aisle_degraded_requests_total") == 1
    assert value(metrics, "aisle_latency_last_minute_seconds", quantile="0.99") == pytest.approx(0.022, rel=0.01)


def exemplars(metrics: Metrics) -> list[tuple[str, dict[str, str], float]]:
    """Stage, labels and value of each."""
    (family,) = [family for family in metrics.registry.collect() if family.name == "aisle_stage_seconds"]
    told = [(sample.labels["stage"], sample.exemplar) for sample in family.samples]
    return [(stage, dict(exemplar.labels), exemplar.value) for stage, exemplar in told if exemplar is not None]


def score_as(metrics: Metrics, request_id: str) -> None:
    token = request_id_var.set(request_id)
    try:
        metrics.request_scored(SCORED)
    finally:
        request_id_var.reset(token)


def test_a_latency_leads_to_its_request(metrics: Metrics) -> None:
    score_as(metrics, "shop-1")
    assert exemplars(metrics) == [(stage, {"request_id": "shop-1"}, told) for stage, told in TIMINGS.seconds().items()]


def test_a_request_with_the_longest_id_is_counted_without_an_exemplar(metrics: Metrics) -> None:
    score_as(metrics, "x" * 128)
    assert exemplars(metrics) == []
    assert value(metrics, "aisle_stage_seconds_count", stage="total") == 1


def test_a_batch_tells_its_size_and_its_padding(metrics: Metrics) -> None:
    metrics.batch_done(BatchRun(np.zeros(4, dtype=np.float32), 1.0, 1.5, tokens=75, padded_tokens=100))
    assert value(metrics, "aisle_batch_pairs_sum") == 4
    assert value(metrics, "aisle_batch_tokens_sum") == 100
    assert value(metrics, "aisle_padding_waste_ratio_sum") == 0.25
    assert value(metrics, "aisle_batch_seconds_sum") == 0.5


def test_a_batch_whose_padding_is_not_known_says_nothing_of_it(metrics: Metrics) -> None:
    metrics.batch_done(BatchRun(np.zeros(4, dtype=np.float32), 1.0, 1.5, tokens=8, padded_tokens=None))
    assert value(metrics, "aisle_batch_tokens_sum") == 8
    assert value(metrics, "aisle_padding_waste_ratio_count") == 0


def test_refusals_and_drops_have_reasons(metrics: Metrics) -> None:
    metrics.refused("overloaded")
    metrics.work_dropped(DropReason.DEADLINE, 7)
    assert value(metrics, "aisle_refused_total", reason="overloaded") == 1
    assert value(metrics, "aisle_dropped_pairs_total", reason="deadline") == 7


def test_watched_values_are_read_when_asked(metrics: Metrics) -> None:
    depth = [3]
    metrics.watch("aisle_queue_pairs", "Waiting.", lambda: depth[0])
    depth[0] = 5
    assert value(metrics, "aisle_queue_pairs") == 5


def test_the_model_is_named(metrics: Metrics) -> None:
    metrics.model_loaded("student", "3")
    labels = {"name": "student", "version": "3"}
    assert metrics.registry.get_sample_value("aisle_model_info", labels) == 1


def test_the_tuning_is_shown_with_the_buckets_of_its_own_layout(metrics: Metrics) -> None:
    chosen = BucketSpeed(sessions=2, threads=1, pairs=8, length=32, ns_per_token=20_000.0)
    other = BucketSpeed(sessions=1, threads=2, pairs=4, length=32, ns_per_token=30_000.0)
    metrics.engine_tuned(Tuning(sessions=2, threads=1, micro_batch_tokens=256, table=(chosen, other)), 2)
    assert value(metrics, "aisle_tuned_sessions") == 2
    assert value(metrics, "aisle_tuned_threads") == 1
    assert value(metrics, "aisle_tuned_lone_threads") == 2
    assert value(metrics, "aisle_tuned_micro_batch_tokens") == 256
    assert value(metrics, "aisle_tuned_ns_per_token", pairs="8", length="32") == 20_000.0
    assert value(metrics, "aisle_tuned_ns_per_token", pairs="4", length="32") is None
