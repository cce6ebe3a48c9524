from __future__ import annotations

import math

import pytest

from loadtest.open_loop import Sent
from loadtest.outcomes import Outcome
from loadtest.report.figures import failures_of, figures_of, generator_of, slices_of, stages_of
from tests.loadtest.report.records import answer, failure

ANSWERS = [answer(0.01 * number, 0.001 * (number + 1)) for number in range(100)]


def test_figures_count_every_request() -> None:
    figures = figures_of([*ANSWERS, failure(1.0), answer(1.1, 0.05, degraded=True)], seconds=2.0)
    assert (figures.requests, figures.answered, figures.offered_per_s) == (102, 101, 51.0)
    assert figures.p50_ms == pytest.approx(50, abs=2)
    assert figures.p99_ms == 100.0
    assert figures.error_rate == pytest.approx(1 / 102)
    assert figures.degraded_share == pytest.approx(1 / 101)


def test_a_quantile_that_lies_among_failures_is_no_answer() -> None:
    figures = figures_of([*ANSWERS[:90], *(failure(1.0) for _ in range(10))], seconds=1.0)
    assert figures.p50_ms is not None
    assert (figures.p95_ms, figures.p99_ms) == (None, None)


def test_without_answers_there_is_nothing_degraded() -> None:
    figures = figures_of([failure(0.0)], seconds=0.0)
    assert (figures.error_rate, figures.degraded_share, figures.p50_ms) == (1.0, 0.0, None)


def test_slices_hold_what_was_meant_to_be_sent_in_them() -> None:
    refused = Outcome(1, 3.0, 0.0, 0.001, 503)
    outcomes = [answer(2.2, 0.01), answer(2.9, 5.0), refused, answer(5.5, 0.02, degraded=True)]
    first, second, third = slices_of(outcomes, start=2.0, seconds=4.0)
    assert [part.at for part in (first, second, third)] == [2.0, 3.0, 5.0]
    assert [part.latencies_ms for part in (first, second, third)] == [[10.0, 5000.0], [None], [20.0]]
    assert [(part.errors, part.degraded) for part in (first, second, third)] == [(0, 0), (1, 0), (0, 1)]
    assert first.stages_ms == {"tokenize": 0.5, "queue": 1.0, "inference": 3.0, "total": 5.0}
    assert second.stages_ms == {}
    assert second.p50_ms is None


def test_a_long_load_has_no_more_than_sixty_slices() -> None:
    slices = slices_of([answer(float(second), 0.01) for second in range(605)], 0.0, 605.0)
    assert len(slices) <= 60
    assert {part.seconds for part in slices} == {11.0}
    assert sum(len(part.latencies_ms) for part in slices) == 605


def test_stages_are_told_or_not() -> None:
    assert stages_of(ANSWERS)["inference"] == {"p50_ms": 3.0, "p99_ms": 3.0}
    assert stages_of([Outcome(1, 0.0, 0.0, 0.1, 200)]) == {}


def test_failures_are_counted_by_kind_with_their_first() -> None:
    failures = failures_of([answer(0.0, 0.1), failure(1.0, "refused"), failure(2.0), failure(3.0), failure(4.0)])
    assert list(failures) == ["reset", "refused"]
    assert (failures["reset"].count, failures["reset"].first_at) == (3, 2.0)
    assert failures["reset"].example == "<reset> & gone"


def generator(lag: float, cpu: float, latency: float) -> str:
    outcomes = [Outcome(1, 0.0, lag, latency, 200) for _ in range(10)]
    return generator_of(Sent(outcomes, cpu, 10.0, 0.0), outcomes, cores=2).bottleneck


@pytest.mark.parametrize(
    ("lag", "cpu", "latency", "says"),
    [
        (0.001, 5.0, 0.01, ""),
        (0.001, 9.5, 0.01, "the generator was the bottleneck: it used 95% of one core"),
        (0.004, 5.0, 0.01, "the generator was late: its send lag has a p99 of 4 ms at 50% of one core"),
        # 4 ms do not decide about a second.
        (0.004, 5.0, 1.0, ""),
        (0.004, 5.0, math.inf, "the generator was late"),
    ],
)
def test_a_generator_that_is_the_bottleneck_says_so(lag: float, cpu: float, latency: float, says: str) -> None:
    said = generator(lag, cpu, latency)
    assert said.startswith(says)
    assert bool(said) == bool(says)
