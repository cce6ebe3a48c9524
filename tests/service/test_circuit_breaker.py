from __future__ import annotations

from service.circuit_breaker import CircuitBreaker


def breaker_at() -> tuple[CircuitBreaker, list[float]]:
    now = [100.0]
    return CircuitBreaker(failures=3, rest_seconds=5.0, clock=lambda: now[0]), now


def opened() -> tuple[CircuitBreaker, list[float]]:
    breaker, now = breaker_at()
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    return breaker, now


def test_failures_in_a_row_open_it() -> None:
    breaker, now = opened()
    assert not breaker.allows()
    now[0] += 4.99
    assert not breaker.allows()


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker, _ = breaker_at()
    for _ in range(5):
        breaker.failed()
        breaker.failed()
        assert not breaker.succeeded()
    assert breaker.allows()


def test_after_a_rest_one_may_try_and_others_wait() -> None:
    breaker, now = opened()
    now[0] += 5.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]


def test_a_try_that_fails_begins_another_rest_and_is_told_no_more() -> None:
    breaker, now = opened()
    now[0] += 5.0
    assert breaker.allows()
    assert not breaker.failed()
    now[0] += 4.99
    assert not breaker.allows()
    now[0] += 0.01
    assert breaker.allows()


def test_a_try_that_goes_well_closes_it() -> None:
    breaker, now = opened()
    now[0] += 5.0
    assert breaker.allows()
    assert breaker.succeeded()
    assert [breaker.allows() for _ in range(3)] == [True] * 3


def test_a_try_that_never_ends_does_not_keep_it_open_for_ever() -> None:
    breaker, now = opened()
    now[0] += 5.0
    assert breaker.allows()
    now[0] += 5.0
    assert breaker.allows()
