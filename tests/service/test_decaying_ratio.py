from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.decaying_ratio import DecayingRatio

Amounts = st.floats(0.001, 1000)


def test_it_starts_where_it_is_told_and_follows_what_comes() -> None:
    ratio = DecayingRatio(5.0, memory=10.0)
    assert ratio.value == 5.0
    for _ in range(100):
        ratio.add(numerator=2.0, denominator=1.0)
    assert ratio.value == pytest.approx(2.0, rel=1e-3)


def test_many_small_ones_weigh_no_more_than_their_denominators() -> None:
    ratio = DecayingRatio(100.0, memory=10.0)
    for _ in range(50):
        ratio.add(numerator=0.0, denominator=0.001)
    assert ratio.value > 99.0


def test_nothing_is_learnt_from_a_denominator_of_zero() -> None:
    ratio = DecayingRatio(3.0, memory=1.0)
    ratio.add(numerator=7.0, denominator=0.0)
    assert ratio.value == 3.0


@given(st.lists(st.tuples(Amounts, Amounts), max_size=50))
def test_it_stays_between_the_smallest_and_the_largest_ratio(seen: list[tuple[float, float]]) -> None:
    ratio = DecayingRatio(1.0, memory=10.0)
    for numerator, denominator in seen:
        ratio.add(numerator, denominator)
    ratios = [1.0, *(numerator / denominator for numerator, denominator in seen)]
    assert min(ratios) * 0.999 <= ratio.value <= max(ratios) * 1.001
