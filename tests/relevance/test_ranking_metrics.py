from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import ndcg_score, roc_auc_score

from relevance.ranking_metrics import (
    auc,
    bootstrap_interval,
    expected_calibration_error,
    kendall_tau,
    mrr_at_k,
    ndcg_at_k,
)

# Few distinct values, so that ties are common.
lists = st.integers(2, 12).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 3), min_size=n, max_size=n), st.lists(st.integers(0, 4), min_size=n, max_size=n)
    )
)


@given(lists, st.integers(1, 15))
def test_ndcg_is_scikit_learns_with_ties_averaged(case: tuple[list[int], list[int]], k: int) -> None:
    grades, scores = case
    assume(any(grades))
    assert ndcg_at_k(grades, scores, k) == pytest.approx(ndcg_score([grades], [scores], k=k))
    gains = [2**grade - 1 for grade in grades]
    assert ndcg_at_k(grades, scores, k, "exponential") == pytest.approx(ndcg_score([gains], [scores], k=k))


def test_tied_ndcg_is_the_mean_over_all_orders() -> None:
    grades = [3, 0, 1]
    orders = [ndcg_at_k([grades[i] for i in order], [3, 2, 1], 2) for order in itertools.permutations(range(3))]
    assert ndcg_at_k(grades, [0, 0, 0], 2) == pytest.approx(np.mean(orders))


def test_ndcg_of_a_query_without_relevant_products_is_undefined() -> None:
    assert math.isnan(ndcg_at_k([0, 0], [1, 2], 10))


@given(lists)
def test_auc_is_scikit_learns(case: tuple[list[int], list[int]]) -> None:
    relevant, scores = np.array(case[0]) > 1, case[1]
    assume(0 < relevant.sum() < relevant.size)
    assert auc(relevant, scores) == pytest.approx(roc_auc_score(relevant, scores))


def test_auc_needs_both_classes() -> None:
    assert math.isnan(auc([1, 1], [0.1, 0.2]))


@given(lists)
def test_kendall_tau_is_scipys_tau_b(case: tuple[list[int], list[int]]) -> None:
    assume(len(set(case[0])) > 1 and len(set(case[1])) > 1)
    assert kendall_tau(*case) == pytest.approx(kendalltau(*case).statistic)


def test_kendall_tau_of_a_constant_is_undefined() -> None:
    assert math.isnan(kendall_tau([1, 1], [1, 2]))


@pytest.mark.parametrize(
    ("relevant", "scores", "k", "expected"),
    [
        ([0, 1, 0], [3, 2, 1], 10, 1 / 2),
        ([1, 0, 0], [3, 2, 1], 10, 1.0),
        ([0, 0, 1], [3, 2, 1], 2, 0.0),
        ([1, 0, 0], [5, 5, 1], 10, 1 / 2),
        ([1, 1, 0], [5, 5, 5], 10, 1 / 2),
    ],
)
def test_mrr_takes_ties_against_the_system(relevant: list[int], scores: list[int], k: int, expected: float) -> None:
    assert mrr_at_k(relevant, scores, k) == expected


def test_mrr_without_a_relevant_product_is_undefined() -> None:
    assert math.isnan(mrr_at_k([0, 0], [1, 2], 10))


def test_calibration_error_weighs_each_bins_gap_by_its_size() -> None:
    targets, probabilities = [1.0, 0.0, 0.0, 1.0], [0.95, 0.95, 0.05, 1.0]
    # Bin 0.9–1.0 has mean target 2/3 and mean probability 0.9667 (3 pairs); bin 0–0.1 has 0 and 0.05 (1 pair).
    assert expected_calibration_error(targets, probabilities) == pytest.approx(3 / 4 * 0.3 + 1 / 4 * 0.05)


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for seed in range(200):
        interval = bootstrap_interval(rng.normal(0.7, 0.2, size=60), resamples=400, seed=seed)
        hits += interval.low <= 0.7 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_the_bootstrap_is_seeded_and_leaves_undefined_queries_out() -> None:
    values = [0.1, float("nan"), 0.5, 0.9]
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values).mean == pytest.approx(0.5)
    assert math.isnan(bootstrap_interval([float("nan")]).mean)


@pytest.mark.parametrize(("grades", "scores"), [([], []), ([1, 2], [1]), ([1, 2], [1, float("nan")])])
def test_arrays_that_do_not_fit_are_refused(grades: list[float], scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"arrays|nan"):
        ndcg_at_k(grades, scores, 10)
