from __future__ import annotations

from loadtest.outcomes import Outcome, lag_ms, latency_ms

ANSWERED = [Outcome(1, 0.0, 0.001 * number, 0.01 * (number + 1), 200) for number in range(10)]


def test_a_request_without_scores_counts_as_never_answered() -> None:
    refused, garbage = Outcome(1, 0.0, 0.0, 0.001, 429), Outcome(1, 0.0, 0.0, 0.001, 200, fault="not scores")
    assert latency_ms(ANSWERED, 1.0) == 100.0
    assert latency_ms([*ANSWERED, refused], 0.9) == 100.0
    assert latency_ms([*ANSWERED, refused], 1.0) is None
    assert latency_ms([*ANSWERED, garbage], 1.0) is None


def test_kinds_name_the_status_or_the_fault() -> None:
    kinds = [Outcome(1, 0.0, 0.0, 0.1, 200), Outcome(1, 0.0, 0.0, 0.1, 503), Outcome(1, 0.0, 0.0, fault="reset")]
    assert [outcome.kind for outcome in kinds] == ["", "status 503", "reset"]


def test_lag_is_the_senders() -> None:
    assert lag_ms(ANSWERED) == 9.0
    assert lag_ms(ANSWERED, 0.5) in {4.0, 5.0}
    assert lag_ms([]) is None
