from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import kendalltau, permutation_test
from sklearn.metrics import ndcg_score, roc_auc_score

from relevance.ranking_metrics import (
    auc,
    bootstrap_interval,
    expected_calibration_error,
    kendall_tau,
    mrr_at_k,
    ndcg_at_k,
    randomisation_p_value,
    reliability_bins,
    ties_at_top,
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


def test_the_bootstrap_of_many_queries_is_the_same_to_the_bit_in_bounded_memory() -> None:
    values = np.random.default_rng(4).uniform(size=4001)
    tracemalloc.start()
    interval = bootstrap_interval(values, resamples=1999, seed=5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    at_once = values[np.random.default_rng(5).integers(0, 4001, size=(1999, 4001))].mean(axis=1)
    assert interval[1:] == tuple(np.quantile(at_once, [(1 - 0.95) / 2, 1 - (1 - 0.95) / 2]))
    assert peak < at_once.size * values.size * 8 / 2


@pytest.mark.parametrize(("grades", "scores"), [([], []), ([1, 2], [1]), ([1, 2], [1, float("nan")])])
def test_arrays_that_do_not_fit_are_refused(grades: list[float], scores: list[float]) -> None:
    with pytest.raises(ValueError, match=r"arrays|nan"):
        ndcg_at_k(grades, scores, 10)


def exact_p_value(differences: list[float]) -> float:
    seen = abs(sum(differences)) - 1e-9
    flips = itertools.product((-1, 1), repeat=len(differences))
    return float(np.mean([abs(np.dot(signs, differences)) >= seen for signs in flips]))


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_the_randomisation_test_of_few_queries_is_exact(differences: list[int]) -> None:
    assert randomisation_p_value(differences) == pytest.approx(exact_p_value([float(d) for d in differences]))


def test_the_randomisation_test_is_scipys() -> None:
    differences = np.random.default_rng(2).normal(0.3, 1.0, size=10)
    reference = permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert randomisation_p_value(differences) == pytest.approx(reference.pvalue)


def test_drawn_signs_come_near_to_all_of_them_and_are_seeded() -> None:
    differences = np.random.default_rng(3).normal(0.4, 1.0, size=12)
    exact = randomisation_p_value(differences)
    drawn = randomisation_p_value(differences, permutations=4000)
    assert drawn != exact
    assert drawn == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 4000))
    assert drawn == randomisation_p_value(differences, permutations=4000)


def test_drawn_signs_in_several_blocks_are_all_counted() -> None:
    # 2^20 signs at once and 3000 queries: 349 draws a block, and the last block is a part of one.
    rng = np.random.default_rng(4)
    assert randomisation_p_value(rng.normal(1.0, 1.0, size=3000), permutations=999) == 1 / 1000
    assert randomisation_p_value(np.tile([1.0, -1.0], 1500), permutations=999) == 1.0


def test_a_p_value_is_of_the_defined_queries_and_needs_one() -> None:
    assert randomisation_p_value([float("nan"), 1.0, 2.0, 3.0]) == randomisation_p_value([1.0, 2.0, 3.0]) == 2 / 8
    assert randomisation_p_value([0.0, 0.0]) == 1.0
    assert math.isnan(randomisation_p_value([float("nan")]))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=10))
def test_a_p_value_does_not_depend_on_which_system_comes_first(differences: list[float]) -> None:
    p = randomisation_p_value(differences)
    assert 0.0 < p <= 1.0
    assert randomisation_p_value([-difference for difference in differences]) == pytest.approx(p)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.integers(1, 12))
def test_reliability_bins_hold_every_pair_once(pairs: list[tuple[float, float]], bins: int) -> None:
    targets, probabilities = (list(part) for part in zip(*pairs, strict=True))
    found = reliability_bins(targets, probabilities, bins)
    assert sum(each.pairs for each in found) == len(pairs)
    assert sum(each.pairs * each.target for each in found) == pytest.approx(sum(targets))
    assert [each.probability for each in found] == sorted(each.probability for each in found)
    assert 0.0 <= expected_calibration_error(targets, probabilities, bins) <= 1.0


def test_logits_that_half_precision_has_made_equal_are_ties() -> None:
    reference = np.array([8.003, 8.0, 7.0, 6.0])
    # Steps of fp16 are 0.0078 wide from 8 on.
    assert ties_at_top(reference, reference.astype(np.float16).astype(np.float64), 10) == 2
    assert ties_at_top(reference, reference, 10) == 0


def test_one_pair_twice_is_no_tie_and_neither_is_one_below_the_top() -> None:
    assert ties_at_top(np.array([3.0, 3.00001, 1.0]), np.array([3.0, 3.0, 1.0]), 10) == 0
    reference = np.arange(20.0)
    assert ties_at_top(reference, np.maximum(reference, 5.0), 10) == 0
    assert ties_at_top(reference, np.minimum(reference, 9.0), 10) == 10
