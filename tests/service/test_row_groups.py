from __future__ import annotations

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from service.row_groups import grouping_for, row_groups

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=8)


def cost(lengths: list[int], groups: list[list[int]], run_tokens: int) -> int:
    return sum(len(group) * max(lengths[row] for row in group) + run_tokens for group in groups)


def cheapest(lengths: list[int], run_tokens: int) -> int:
    """By trying every way to cut the rows, in the order of their lengths."""
    ordered = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    places = range(1, len(ordered))
    ways = [cuts for count in range(len(ordered)) for cuts in combinations(places, count)]
    edges = [(0, *cuts, len(ordered)) for cuts in ways]
    cuts = [[ordered[a:b] for a, b in pairwise(edge)] for edge in edges]
    return min(cost(lengths, groups, run_tokens) for groups in cuts)


@given(LENGTHS, st.integers(0, 30))
def test_every_row_runs_once_at_the_least_cost(lengths: list[int], run_tokens: int) -> None:
    groups = row_groups(lengths, run_tokens)
    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    assert cost(lengths, groups, run_tokens) == cheapest(lengths, run_tokens)


def test_rows_of_like_length_share_a_run() -> None:
    assert row_groups([20, 31, 20, 32, 21], run_tokens=3) == [[3, 1], [4, 0, 2]]


def test_rows_of_one_length_are_one_run_even_where_runs_cost_nothing() -> None:
    assert row_groups([8] * 4, run_tokens=0) == [[0, 1, 2, 3]]


def test_dear_runs_take_everything_along() -> None:
    assert row_groups([1, 40], run_tokens=100) == [[1, 0]]


def test_a_gpu_runs_all_rows_at_once_and_a_cpu_does_not() -> None:
    assert grouping_for(on_gpu=True)([4, 40, 9]) == [[0, 1, 2]]
    assert grouping_for(on_gpu=False)([4, 40, 9]) == [[1], [2], [0]]
