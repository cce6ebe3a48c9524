from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.product import Product
from training.checks import general_check
from training.composers import compose_products, compose_queries
from training.config import DistillSettings, PoolSettings
from training.datasets.schema import Dataset, Judgement, LoggedQuery
from training.errors import RunDirectoryError
from training.pool import PoolSources, draw_pool, gather_sources, load_pool, save_pool, stratified
from training.run_directory import RunDirectory
from training.splits import Split, query_key

from .tiny import tiny_pool

SHELF = ["red running shoe", "blue running shoe", "red trail shoe", "usb c cable", "usb c hub", "oak side table"]
SETTINGS = DistillSettings(
    pool=PoolSettings(pairs=40, candidates_per_query=4, retrieval_depth=6, synthetic_products=60, synthetic_queries=20)
)


class WordEncoder:
    """Stands for the bi-encoder: a text is the bag of its words, hashed to 64 places."""

    def encode(self, texts: list[str]) -> np.ndarray:
        vectors = np.full((len(texts), 64), 1e-3, dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().split():
                vectors[row, sum(word.encode()) % 64] += 1.0
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_products(self, products: list[Product], progress: object = None) -> np.ndarray:
        return self.encode([product.title for product in products])


@pytest.fixture
def split() -> Split:
    products = {str(n): Product(id=str(n), title=title) for n, title in enumerate(SHELF)}
    train = Dataset(
        "d",
        products,
        [Judgement("red shoe", "0", 1.0), Judgement("red shoe", "3", 0.0)],
        (LoggedQuery("usb hub"), LoggedQuery("cables usb")),
    )
    return Split(train, Dataset("d", products, [Judgement("usb cable", "3", 1.0)]))


def test_nothing_held_out_nor_its_twin_is_a_source(split: Split) -> None:
    sources = gather_sources(SETTINGS, split)
    keys = {query_key(query.text) for query in (*sources.own_queries, *sources.general_queries)}
    assert query_key("usb cable") not in keys
    assert {"red shoe", "usb hub"} <= {query.text for query in sources.own_queries}
    assert not keys & {query_key(query) for query in general_check().by_query()}
    assert sources.judged == [("red shoe", [0, 3])]


def test_the_pool_starts_with_the_judged_pairs_and_has_the_size_asked_for(split: Split) -> None:
    pool = draw_pool(gather_sources(SETTINGS, split), SETTINGS, WordEncoder())  # type: ignore[arg-type]
    assert [pool.products[row].title for row in pool.product_of[:2]] == [SHELF[0], SHELF[3]]
    # What no pair needs is not carried along.
    assert set(pool.product_of.tolist()) == set(range(len(pool.products)))
    assert len(pool) == 2 + 40
    assert len(pool.groups) == 1 + 10
    for rows in pool.groups[1:]:
        assert len(set(pool.product_of[rows].tolist())) == 4
    encoder = WordEncoder()
    query, product = pool.queries[pool.query_of[5]], pool.products[pool.product_of[5]]
    vectors = encoder.encode([query, product.title])
    assert pool.cosine[5] == pytest.approx(vectors[0] @ vectors[1], rel=1e-5)


def test_a_pool_is_drawn_the_same_again(split: Split) -> None:
    first, second = (draw_pool(gather_sources(SETTINGS, split), SETTINGS, WordEncoder()) for _ in "ab")  # type: ignore[arg-type]
    assert first.queries == second.queries
    np.testing.assert_array_equal(first.product_of, second.product_of)


def test_a_shop_without_other_queries_still_gets_a_pool(split: Split) -> None:
    sources = PoolSources([LoggedQuery("red shoe")], [], list(split.train.products.values()), [])
    pool = draw_pool(sources, SETTINGS, WordEncoder())  # type: ignore[arg-type]
    assert set(pool.queries) == {"red shoe"}


def test_frequent_queries_are_drawn_more_often(split: Split) -> None:
    log = [LoggedQuery(f"query {n}", weight=100.0 if n < 10 else 1.0) for n in range(200)]
    sources = PoolSources(log, [], list(split.train.products.values()), [])
    drawn = draw_pool(sources, SETTINGS, WordEncoder()).queries  # type: ignore[arg-type]
    assert len(drawn) == len(set(drawn)) == 10
    assert sum(int(query.split()[1]) < 10 for query in drawn) >= 5


@given(st.integers(5, 300), st.integers(1, 20), st.integers(0, 5))
def test_strata_cover_the_ranking_and_favour_its_top(depth: int, count: int, seed: int) -> None:
    ranked = np.arange(depth)
    rows = stratified(ranked, count, np.random.default_rng(seed))
    assert rows == sorted(set(rows))
    assert len(rows) <= count
    if depth >= 100 and count >= 10:
        assert sum(row < depth / 4 for row in rows) >= 0.4 * len(rows)


def test_a_saved_pool_is_the_same_pool(tmp_path: Path) -> None:
    stage, pool = RunDirectory(tmp_path, {}).stage("pool"), tiny_pool()
    save_pool(pool, stage)
    loaded = load_pool(stage)
    assert (loaded.queries, loaded.products) == (list(pool.queries), list(pool.products))
    np.testing.assert_array_equal(loaded.product_of, pool.product_of)
    np.testing.assert_array_equal(loaded.cosine, pool.cosine)
    assert loaded.groups == pool.groups


def test_a_pool_that_lost_rows_is_refused(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    save_pool(tiny_pool(), stage)
    lines = (stage.directory / "products.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (stage.directory / "products.jsonl").write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="delete it to draw the pool again"):
        load_pool(stage)


def test_composed_queries_are_phrases_that_several_products_share() -> None:
    products = [Product(title=title) for title in SHELF * 2]
    queries = compose_queries(products, 10, random.Random(0))
    assert queries
    assert all(any(query in title for title in SHELF) for query in queries)
    assert "oak side table" in compose_queries([Product(title="oak side table")], 50, random.Random(0))


def test_composed_products_hold_words_of_their_query() -> None:
    queries = ["red trail shoe", "usb c cable"]
    titles = [product.title.lower() for product in compose_products(queries, 5, random.Random(0))]
    assert sum("shoe" in title for title in titles) >= 3
    assert compose_products([], 5, random.Random(0)) == []
