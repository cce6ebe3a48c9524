from __future__ import annotations

import pytest

from loadtest.budget import Budget
from loadtest.measured_service import MeasuredService, NotMeasuredError
from loadtest.open_loop import Sent
from loadtest.outcomes import Outcome
from loadtest.report.build import record_of, unmeasured
from loadtest.requests import Requests
from loadtest.systems import Call, Target
from loadtest.trial import Trial
from loadtest.usage import ProcessUsage, Usage
from tests.loadtest.report.records import answer, failure

BUDGET = Budget.model_validate(
    {
        "load": {"kind": "constant", "rate": 100, "seconds": 3},
        "limits": {"p99_ms": 50, "error_rate": 0.01},
        "warm_up_seconds": 1,
    }
)
SERVICE = MeasuredService(Target("aisle", "127.0.0.1", 8080, "/score"), ProcessUsage(1))
ARRIVALS = tuple(number / 100 for number in range(300))
REQUESTS = Requests(ARRIVALS, [Call(b"{}", 1)] * len(ARRIVALS), 3.0)
ANSWERS = [answer(at, 0.02) for at in ARRIVALS]


def trial(outcomes: list[Outcome], problem: str = "") -> Trial:
    usage = [(0.0, Usage(5.0, 100_000_000)), (0.5, Usage(5.3, 120_000_000)), (1.5, Usage(5.4, 130_000_000))]
    return Trial(Sent(outcomes, 0.3, 3.0, 0.0), usage, problem)


def test_figures_leave_the_warm_up_out() -> None:
    slow_start = [answer(at, 0.9 if at < 1 else 0.02) for at in ARRIVALS]
    record = record_of(BUDGET, SERVICE, REQUESTS, trial(slow_start))
    assert (record.verdict, record.reasons, record.notes) == ("holds", [], [])
    assert record.figures
    assert (record.figures.requests, record.figures.offered_per_s, record.figures.p99_ms) == (200, 100.0, 20.0)
    assert [part.at for part in record.slices] == [1.0, 2.0]


def test_usage_is_what_was_used_between_two_samples() -> None:
    usage = record_of(BUDGET, SERVICE, REQUESTS, trial(ANSWERS)).usage
    assert [(sample.at, sample.cores, sample.resident_mb) for sample in usage] == [(0.5, 0.6, 120.0), (1.5, 0.1, 130.0)]


def test_a_missed_budget_has_its_reasons() -> None:
    outcomes = [failure(at) if at > 2.95 else answer(at, 0.02) for at in ARRIVALS]
    record = record_of(BUDGET, SERVICE, REQUESTS, trial(outcomes))
    assert record.verdict == "missed"
    assert record.reasons == ["p99_ms: no answer, 50 ms at most", "error_rate: 0.02, 0.01 at most"]
    assert record.failures["reset"].count == 4


def test_without_any_answer_nothing_was_measured() -> None:
    record = record_of(BUDGET, SERVICE, REQUESTS, trial([failure(at) for at in ARRIVALS]))
    assert (record.verdict, record.reasons) == ("not measured", ["none of 200 requests was answered with scores"])
    assert record.failures["reset"].count == 200


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ({"outcomes": [*ANSWERS[:-1], failure(2.99, "no open files left")]}, "bottleneck: no open files left"),
        ({"outcomes": ANSWERS[:150]}, "p99_ms of 50 requests says little: it takes at least 100"),
        ({"requests": Requests(ARRIVALS, [Call(b"{}", 1)] * 7, 3.0)}, "7 different requests were sent again and again"),
        ({"requests": Requests(ARRIVALS, [Call(b"{}", 1)] * len(ARRIVALS), 2.99)}, "the log ends after 2.99 of 3 s"),
        ({"problem": "process 1 has ended"}, "CPU and memory are not known to the end: process 1 has ended"),
    ],
)
def test_what_a_reader_should_know_is_noted(changed: dict[str, object], note: str) -> None:
    outcomes, requests = changed.get("outcomes", ANSWERS), changed.get("requests", REQUESTS)
    assert isinstance(outcomes, list)
    assert isinstance(requests, Requests)
    record = record_of(BUDGET, SERVICE, requests, trial(outcomes, str(changed.get("problem", ""))))
    (found,) = record.notes
    assert note in found


def test_an_interrupted_run_keeps_what_was_measured() -> None:
    sent = Sent(ANSWERS[:200], 0.2, 2.0, 0.0, interrupted=True)
    record = record_of(BUDGET, SERVICE, REQUESTS, Trial(sent, []))
    assert (record.verdict, record.reasons) == ("not measured", ["interrupted after 2 of 3 s"])
    assert record.figures
    assert (record.figures.requests, record.figures.offered_per_s) == (100, 100.0)
    with pytest.raises(NotMeasuredError, match="interrupted before anything was measured"):
        record_of(BUDGET, SERVICE, REQUESTS, Trial(Sent(ANSWERS[:50], 0.1, 0.5, 0.0, interrupted=True), []))


def test_a_run_that_could_not_be_says_why() -> None:
    record = unmeasured(BUDGET, "http://127.0.0.1:9", "refused")
    assert (record.verdict, record.reasons, record.figures) == ("not measured", ["refused"], None)
    assert record.budget["limits"] == {"p99_ms": 50.0, "error_rate": 0.01}
