from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relevance.length_sorting import length_sorted_batches


def test_rows_of_like_length_share_a_batch() -> None:
    assert length_sorted_batches([2, 10, 3, 9, 4], most_tokens=20) == [[1, 3], [4, 2, 0]]


def test_rows_of_one_length_stay_in_their_order() -> None:
    assert length_sorted_batches([5, 5, 5, 5, 5], most_tokens=10) == [[0, 1], [2, 3], [4]]


def test_a_row_longer_than_a_batch_runs_alone() -> None:
    assert length_sorted_batches([1, 30, 1], most_tokens=8) == [[1], [0, 2]]


@given(st.lists(st.integers(0, 50)), st.integers(1, 100))
def test_every_row_has_one_batch_which_keeps_to_the_budget(lengths: list[int], most_tokens: int) -> None:
    batches = length_sorted_batches(lengths, most_tokens)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        padded = max(lengths[row] for row in rows) * len(rows)
        assert padded <= most_tokens or len(rows) == 1
    longest = [max(lengths[row] for row in rows) for rows in batches]
    assert longest == sorted(longest, reverse=True)
