from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from loadtest.noise import LEAST_SLICES, Difference, Part, difference, parts_of, statistics
from loadtest.outcomes import Stages
from loadtest.report.figures import slices_of
from tests.loadtest.report.records import STAGES, answer, failure, record_of


def run(mean_ms: float, seed: int, seconds: int = 20) -> list[Part]:
    """Exponential latencies around a mean that wanders from second to second, 50 requests in each."""
    rng = np.random.default_rng(seed)
    means = mean_ms * rng.uniform(0.7, 1.3, seconds)
    outcomes = [
        answer(second + number / 50, float(rng.exponential(means[second])) / 1000)
        for second in range(seconds)
        for number in range(50)
    ]
    return parts_of(slices_of(outcomes, 0.0, float(seconds)))


def test_statistics_are_the_figures_of_the_record() -> None:
    outcomes = [answer(0.01 * number, 0.001 * number, degraded=number % 7 == 0) for number in range(190)]
    record = record_of([*outcomes, *(failure(1.95) for _ in range(10))], 2.0)
    assert record.figures
    for name, statistic in [*statistics().items()][:5]:
        value = statistic(parts_of(record.slices))
        assert (value if math.isfinite(value) else None) == getattr(record.figures, name)


def test_stages_are_means_over_answers() -> None:
    slow = [replace(answer(0.5, 0.1), stages=Stages(1.0, 1.0, 9.0, 11.0)) for _ in range(3)]
    parts = parts_of(slices_of([*slow, answer(1.5, 0.1), failure(1.6), failure(2.5)], 0.0, 3.0))
    inference = statistics()["inference_mean_ms"]
    assert inference(parts) == (3 * 9.0 + STAGES.inference) / 4
    assert math.isnan(inference(parts[2:]))


def test_a_real_difference_is_outside_the_noise() -> None:
    found = difference(statistics()["p95_ms"], run(20.0, seed=1), run(30.0, seed=2))
    assert found.outside_noise
    assert found.interval is not None
    assert found.interval[0] <= found.after - found.before <= found.interval[1]


def test_runs_of_the_same_are_rarely_outside_the_noise() -> None:
    wrong = sum(
        difference(statistics()["p50_ms"], run(20.0, seed=2 * one), run(20.0, seed=2 * one + 1)).outside_noise
        for one in range(12)
    )
    # 5 % of them are expected to; requests taken as independent would give three times as many.
    assert wrong <= 3


def test_a_short_run_knows_nothing_of_its_noise() -> None:
    short = run(20.0, seed=1, seconds=LEAST_SLICES - 1)
    assert difference(statistics()["p50_ms"], short, run(900.0, seed=2)).interval is None


def test_answers_against_none_is_a_difference_and_none_against_none_is_not_known() -> None:
    dead = parts_of(slices_of([failure(second / 2) for second in range(40)], 0.0, 20.0))
    assert difference(statistics()["p50_ms"], run(20.0, seed=1), dead).outside_noise
    assert difference(statistics()["error_rate"], run(20.0, seed=1), dead).interval == (1.0, 1.0)
    assert difference(statistics()["p50_ms"], dead, dead) == Difference(math.inf, math.inf, None)


@pytest.mark.parametrize(("interval", "outside"), [((0.1, 2.0), True), ((-2.0, 0.0), False), ((-3.0, -1.0), True)])
def test_noise_is_an_interval_around_nothing(interval: tuple[float, float], outside: bool) -> None:
    assert Difference(1.0, 2.0, interval).outside_noise is outside
