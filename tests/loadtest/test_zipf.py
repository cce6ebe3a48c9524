from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.zipf import Zipf


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.0, 2.0])
def test_shares_follow_the_law(exponent: float) -> None:
    counts = np.bincount(Zipf(5, exponent).draw(rng(), 100_000), minlength=5)
    weights = np.array([1, 2, 3, 4, 5], dtype=float) ** -exponent
    assert counts / counts.sum() == pytest.approx(weights / weights.sum(), abs=0.006)


@given(count=st.integers(4, 400), exponent=st.floats(0.0, 1.5), seed=st.integers(0, 999))
def test_distinct_ranks_are_distinct_and_repeat_with_the_seed(count: int, exponent: float, seed: int) -> None:
    zipf = Zipf(count, exponent)
    ranks = zipf.draw_distinct(np.random.default_rng(seed), count // 4)
    assert len(set(ranks)) == len(ranks) == count // 4
    assert all(0 <= rank < count for rank in ranks)
    assert ranks == zipf.draw_distinct(np.random.default_rng(seed), count // 4)


def test_what_cannot_be_drawn_is_an_error() -> None:
    with pytest.raises(ValueError, match="3 different ones of 10: at most a quarter"):
        Zipf(10, 1.0).draw_distinct(rng(), 3)
    for count, exponent in ((0, 1.0), (5, -1.0)):
        with pytest.raises(ValueError, match="popularity needs a count of 1"):
            Zipf(count, exponent)
