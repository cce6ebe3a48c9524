from __future__ import annotations

import pytest

from loadtest.gpu_bench.arithmetic import Shape, best_at, flop_per_pair, utilisation

MINILM = Shape(6, 384, 1536)


def test_a_pair_costs_what_its_products_cost() -> None:
    # One layer alone: keys and values of 4 tokens, and all else of one row. Then the head.
    keys_and_values = 4 * (2 * 2 * 8 * 8)
    row = 2 * 2 * 8 * 8 + 2 * 2 * 8 * 16 + 2 * 2 * 4 * 8
    assert flop_per_pair(Shape(1, 8, 16), 4) == keys_and_values + row + 2 * 8 * 8
    two = flop_per_pair(Shape(2, 8, 16), 4)
    assert two - flop_per_pair(Shape(1, 8, 16), 4) == keys_and_values + 4 * row


def test_no_more_is_credited_than_a_graph_of_whole_layers_computes() -> None:
    # 0.69 GFLOP for 32 tokens, of which the last layer's unread rows are left out.
    assert 0.58e9 < flop_per_pair(MINILM, 32) < 0.69e9


def test_a_share_is_of_the_ceiling() -> None:
    assert utilisation(1e6, 500_000_000, 1000.0) == pytest.approx(0.5)


def test_the_best_is_taken_of_one_length_alone() -> None:
    speeds = {(8, 32): 10.0, (128, 32): 30.0, (8, 64): 90.0}
    assert best_at(32, speeds) == 30.0
    assert best_at(128, speeds) is None
