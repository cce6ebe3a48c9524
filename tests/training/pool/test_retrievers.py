from __future__ import annotations

import numpy as np
import pytest

from training.pool import retrievers
from training.pool.retrievers import Bm25, dense_top

TEXTS = ["red running shoe", "blue running shoe", "usb c cable", "oak side table with lamp"]


def test_bm25_finds_the_words_and_weighs_the_rare_ones() -> None:
    index = Bm25(TEXTS)
    assert index.top(["red shoe", "lamp"], 2)[:, 0].tolist() == [0, 3]
    scores = index.scores("red shoe")
    assert scores[0] > scores[1] > scores[2] == 0.0


def test_only_what_holds_a_word_of_the_query_matches() -> None:
    matches = Bm25(TEXTS).matches(["red shoe", "zzz", "", "shoe"], 3)
    assert [rows.tolist() for rows in matches[:3]] == [[0, 1], [], []]
    assert sorted(matches[3].tolist()) == [0, 1]


def test_unknown_words_score_nothing() -> None:
    assert Bm25(TEXTS).scores("zzz").tolist() == [0.0] * 4


@pytest.mark.parametrize("query", ["", "!!!", "日本語"])
def test_a_query_without_words_is_no_error(query: str) -> None:
    assert Bm25(TEXTS).scores(query).tolist() == [0.0] * 4
    assert Bm25(TEXTS).top([query], 2).shape == (1, 2)


def test_depth_is_bounded_by_the_catalogue() -> None:
    assert Bm25(TEXTS).top(["shoe"], 100).shape == (1, 4)
    vectors = np.eye(3, dtype=np.float32)
    assert dense_top(vectors, vectors, 100).shape == (3, 3)


@pytest.mark.parametrize("cells", [1, 50 * 7, 1 << 20])
def test_dense_retrieval_is_the_sorted_dot_product_over_any_number_of_blocks(
    cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrievers, "CELLS_PER_BLOCK", cells)
    rng = np.random.default_rng(0)
    queries, products = rng.normal(size=(600, 8)).astype(np.float32), rng.normal(size=(50, 8)).astype(np.float32)
    expected = np.argsort(-(queries @ products.T), axis=1)[:, :7]
    np.testing.assert_array_equal(dense_top(queries, products, 7), expected)


def test_words_of_one_letter_count_and_a_catalogue_without_words_is_no_error() -> None:
    assert Bm25(["vitamin c", "vitamin d"]).scores("vitamin c").argmax() == 0
    assert Bm25(["!!!", "???"]).scores("shoe").tolist() == [0.0, 0.0]
    assert Bm25(["靴"]).top(["靴"], 1).tolist() == [[0]]
