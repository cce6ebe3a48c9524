from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadtest.search import Bounds, replicas, search


@given(limit=st.floats(0.5, 5000.0), start=st.floats(0.5, 5000.0), precision=st.floats(0.01, 0.5))
def test_the_limit_is_found_within_the_precision(limit: float, start: float, precision: float) -> None:
    tried: list[float] = []

    def holds(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    bounds = search(holds, start, precision, most=60)
    assert bounds.held is not None
    assert bounds.failed is not None
    assert bounds.held <= limit < bounds.failed <= (1 + precision) * bounds.held
    assert tried[0] == start
    # Doubling or halving until both bounds are there, then halving the factor of 2 between them.
    assert len(tried) <= 16 + 8


def test_it_gives_up_after_so_many() -> None:
    assert search(lambda _: True, 10.0, 0.05, most=3) == Bounds(40.0, None)
    assert search(lambda _: False, 10.0, 0.05, most=3) == Bounds(None, 2.5)
    assert not Bounds(40.0, None).within(9.0)


@given(target=st.floats(0.1, 1e5), rate=st.floats(0.1, 1e4), headroom=st.floats(0.0, 0.9))
def test_replicas_carry_the_target_and_one_less_would_not(target: float, rate: float, headroom: float) -> None:
    count = replicas(target, rate, headroom)
    assert count * rate * (1 - headroom) >= target * (1 - 1e-6)
    assert count == 1 or (count - 1) * rate * (1 - headroom) < target


def test_a_whole_number_of_replicas_is_not_rounded_up() -> None:
    assert replicas(70, 10, 0.3) == 10
    assert replicas(71, 10, 0.3) == 11
