from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config import PoolSettings
from training.pool import Source
from training.pool.candidates import Retrieved, apportion, choose_candidates, disputed, overlap, slots_of, stratified

SLOTS = slots_of(PoolSettings(candidates_per_query=16))


def rows(*numbers: int) -> np.ndarray:
    return np.array(numbers, dtype=np.int64)


@given(st.integers(0, 300), st.lists(st.integers(0, 20), min_size=1).filter(any))
def test_parts_add_up_and_stay_close_to_their_shares(count: int, weights: list[int]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    parts = apportion(count, shares)
    assert sum(parts) == count
    assert all(abs(part - count * share) < 1 + 1e-6 for part, share in zip(parts, shares, strict=True))


def test_the_shares_decide_the_slots() -> None:
    assert sum(SLOTS.values()) == 16
    assert SLOTS[Source.LEXICAL] == SLOTS[Source.DENSE] == 4
    none = PoolSettings(lexical_share=0, dense_share=0, disagreement_share=0, category_share=1)
    assert slots_of(none)[Source.CATEGORY] == 16


@given(st.integers(5, 300), st.integers(1, 20), st.integers(0, 5))
def test_strata_cover_the_ranking_and_favour_its_top(depth: int, count: int, seed: int) -> None:
    ranked = np.arange(depth)
    chosen = stratified(ranked, count, np.random.default_rng(seed))
    assert chosen == sorted(set(chosen))
    assert len(chosen) <= count
    if depth >= 100 and count >= 10:
        assert sum(row < depth / 4 for row in chosen) >= 0.4 * len(chosen)


@given(st.integers(1, 400), st.integers(0, 100), st.integers(0, 100), st.integers(0, 5))
def test_candidates_are_distinct_and_as_many_as_asked_for(products: int, lexical: int, dense: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = rng.permutation(products)
    retrieved = Retrieved(order[:lexical], order[::-1][: max(1, dense)], order[: 1 + products // 4])
    chosen = choose_candidates(retrieved, SLOTS, products, rng)
    assert len(chosen) == min(16, products)
    assert all(0 <= row < products for row in chosen)
    counts = Counter(chosen.values())
    assert all(counts[source] <= SLOTS[source] for source in SLOTS if source != Source.RANDOM)


def test_each_source_gives_what_it_says() -> None:
    lexical, dense = np.arange(0, 100), np.concatenate([np.arange(50, 60), np.arange(200, 290)])
    category = np.arange(500, 600)
    chosen = choose_candidates(Retrieved(lexical, dense, category), SLOTS, 10_000, np.random.default_rng(0))
    by_source = {source: {row for row, why in chosen.items() if why == source} for source in SLOTS}
    assert by_source[Source.LEXICAL] <= set(lexical.tolist())
    assert by_source[Source.DENSE] <= set(dense.tolist())
    assert by_source[Source.CATEGORY] <= set(category.tolist())
    assert by_source[Source.DISAGREEMENT] <= set(disputed(lexical, dense, 10).tolist())
    assert all(len(by_source[source]) == SLOTS[source] for source in SLOTS)


def test_only_what_one_ranks_high_and_the_other_low_is_disputed() -> None:
    lexical = rows(*range(100))
    # 0 is high in both; 1 is last in the second; 2 … 24 are not in it; 300 … 322 are only in it.
    dense = rows(0, 60, *range(300, 323), *range(400, 474), 1)
    found = set(disputed(lexical, dense, 10).tolist())
    assert 0 not in found
    assert {1, 2, 24, 60, 300, 322} <= found
    assert not found & {25, 59, 61, 323, 400}


@pytest.mark.parametrize(("lexical", "dense"), [(rows(), rows(1, 2)), (rows(1, 2), rows()), (rows(1, 2), rows(2, 1))])
def test_agreement_and_ignorance_are_no_dispute(lexical: np.ndarray, dense: np.ndarray) -> None:
    assert disputed(lexical, dense, 10).tolist() == []


def test_overlap_is_jaccard_of_the_first_ten() -> None:
    assert overlap(rows(*range(20)), rows(*range(5, 25))) == pytest.approx(5 / 15)
    assert overlap(rows(), rows(1)) == 0.0
    assert overlap(rows(1), rows(1)) == 1.0
