from __future__ import annotations

from service.circuit_breaker import CircuitBreaker


def breaker_at() -> tuple[CircuitBreaker, list[float]]:
    now = [100.0]
    return CircuitBreaker(rest_seconds=5.0, clock=lambda: now[0]), now


def opened() -> tuple[CircuitBreaker, list[float]]:
    breaker, now = breaker_at()
    assert breaker.failed()
    return breaker, now


def test_a_failure_opens_it_and_another_is_told_no_more() -> None:
    breaker, now = opened()
    assert breaker.is_open
    assert not breaker.failed()
    assert not breaker.allows()
    now[0] += 4.99
    assert not breaker.allows()


def test_a_success_leaves_it_closed() -> None:
    breaker, _ = breaker_at()
    assert not breaker.succeeded()
    assert not breaker.is_open
    assert [breaker.allows() for _ in range(3)] == [True] * 3


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
