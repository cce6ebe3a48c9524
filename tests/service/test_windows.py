from __future__ import annotations

import random
from itertools import chain, pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.windows import REACH, equal_parts, longest_first, ordered_parts, ordered_windows

some_lengths = st.lists(st.integers(1, 60), min_size=1, max_size=80)


@given(some_lengths, st.integers(20, 200), st.randoms())
def test_ordered_windows_follow_the_order_and_hold_a_batch_each(
    lengths: list[int], tokens: int, rng: random.Random
) -> None:
    order = list(range(len(lengths)))
    rng.shuffle(order)
    windows = ordered_windows(lengths, order, tokens)
    before = 0
    for window in windows:
        assert sorted(window) == sorted(order[before : before + len(window)])
        assert len(window) == 1 or sum(lengths[row] for row in window) <= tokens
        before += len(window)
    assert before == len(order)
    # None is so small that its successor's first pair would have fitted.
    for window, following in pairwise(windows):
        first = order[sum(len(one) for one in windows[: windows.index(following)])]
        assert sum(lengths[row] for row in window) + lengths[first] > tokens


@given(some_lengths, st.integers(1, 12))
def test_parts_hold_every_row_once_and_the_longest_first(lengths: list[int], parts: int) -> None:
    for cut in (equal_parts(lengths, range(len(lengths)), parts), ordered_parts(lengths, range(len(lengths)), parts)):
        assert len(cut) <= parts
        assert sorted(chain.from_iterable(cut)) == list(range(len(lengths)))
        assert all(lengths[one] >= lengths[other] for part in cut for one, other in pairwise(part))


@given(st.lists(st.integers(20, 30), min_size=40, max_size=80), st.integers(1, 8))
def test_parts_are_about_equal(lengths: list[int], parts: int) -> None:
    tokens = [sum(lengths[row] for row in part) for part in equal_parts(lengths, range(len(lengths)), parts)]
    assert max(tokens) - min(tokens) <= 2 * max(lengths)


def test_ordered_parts_are_of_like_lengths_within_reach_of_the_order() -> None:
    long_ones, short_ones = 30, 15
    lengths = [long_ones, short_ones] * 32
    parts = 2 * REACH
    cut = ordered_parts(lengths, range(len(lengths)), parts)
    # What comes in the first half of the order is served in the first half of the parts.
    half = len(lengths) // 2
    assert {row < half for part in cut[:REACH] for row in part} == {True}
    mixed = [part for part in cut if len({lengths[row] for row in part}) > 1]
    assert len(mixed) <= 2
    # Few enough parts are of like lengths throughout.
    assert ordered_parts(lengths, range(len(lengths)), REACH) == equal_parts(
        lengths, longest_first(lengths, range(len(lengths))), REACH
    )


def test_equals_stay_in_order() -> None:
    assert longest_first([1, 3, 1, 3], [2, 0, 3, 1]) == [3, 1, 2, 0]
