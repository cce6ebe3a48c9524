"""Ranking and calibration metrics. Pure numpy; every function takes one query's arrays unless it says otherwise."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Gain = Literal["linear", "exponential"]


GRADE_OF_TARGET_ONE = 3.0
"""The top grade of the usual four levels 0 to 3, which a soft target of 1 stands for."""
LEAST_APART = 1e-4
"""Logits that differ by more are of two pairs, and not of one that was computed twice."""
DRAWN_AT_ONCE = 1 << 20
"""Random numbers held in memory at once by the bootstrap and the randomisation test."""


class Interval(NamedTuple):
    """A mean over queries with its bootstrap interval."""

    mean: float
    low: float
    high: float


class ReliabilityBin(NamedTuple):
    """The pairs whose probability falls into one bin: their mean probability, mean target, and number."""

    probability: float
    target: float
    pairs: int


def ndcg_at_k(grades: npt.ArrayLike, scores: npt.ArrayLike, k: int, gain: Gain = "linear") -> float:
    """nDCG@k of `scores` (n,) against `grades` (n,), both higher-is-better.

    Ties are averaged: a group of equal scores gives each of its positions the group's mean gain, the
    expectation over all orders of the group (McSherry & Najork, ECIR 2008). `exponential` gain is
    2^grade − 1. A query without any positive grade has no ideal ranking: nan.
    """
    gains, scores_ = _pair_of_arrays(grades, scores)
    if gain == "exponential":
        gains = np.exp2(gains) - 1.0
    discounts = 1.0 / np.log2(np.arange(2, gains.size + 2))
    discounts[k:] = 0.0
    ideal = float(np.sort(gains)[::-1] @ discounts)
    if ideal <= 0.0:
        return float("nan")
    return float(_tie_averaged(gains, scores_) @ discounts) / ideal


def soft_target_ndcg(targets: npt.ArrayLike, scores: npt.ArrayLike, k: int) -> float:
    """nDCG@k of soft targets in [0, 1], with the exponential gain of the usual four-level scale, 2^(3 · target) − 1."""
    return ndcg_at_k(GRADE_OF_TARGET_ONE * np.asarray(targets, dtype=np.float64), scores, k, "exponential")


def mrr_at_k(relevant: npt.ArrayLike, scores: npt.ArrayLike, k: int) -> float:
    """Reciprocal rank of the first relevant item (`relevant` (n,) is boolean) within the top k, else 0.

    Ties count against the system: among equal scores the relevant item is taken to come last. nan where nothing is
    relevant.
    """
    flags, scores_ = _pair_of_arrays(relevant, scores)
    if not flags.any():
        return float("nan")
    best = scores_[flags > 0].max()
    tied_behind = np.count_nonzero((scores_ == best) & (flags == 0))
    rank = np.count_nonzero(scores_ > best) + tied_behind + 1
    return 1.0 / rank if rank <= k else 0.0


def auc(relevant: npt.ArrayLike, scores: npt.ArrayLike) -> float:
    """Area under the ROC curve: the share of (relevant, other) pairs in the right order, ties half.

    nan where one of the two classes is empty.
    """
    flags, scores_ = _pair_of_arrays(relevant, scores)
    positives, negatives = scores_[flags > 0], scores_[flags == 0]
    if positives.size == 0 or negatives.size == 0:
        return float("nan")
    ordered = np.sort(negatives)
    below = np.searchsorted(ordered, positives, side="left")
    up_to = np.searchsorted(ordered, positives, side="right")
    ordered_right = float(np.sum(below + up_to)) / 2.0
    return ordered_right / (int(positives.size) * int(negatives.size))


def kendall_tau(first: npt.ArrayLike, second: npt.ArrayLike) -> float:
    """Kendall's tau-b of two score arrays (n,): rank agreement corrected for ties; nan if one is constant.

    Compares all pairs at once: O(n²) memory, meant for one query's candidates.
    """
    a, b = _pair_of_arrays(first, second)
    rows, columns = np.triu_indices(a.size, k=1)
    order_a = np.sign(a[rows] - a[columns])
    order_b = np.sign(b[rows] - b[columns])
    untied = math.sqrt(np.count_nonzero(order_a) * np.count_nonzero(order_b))
    concordance = float((order_a * order_b).sum())
    return concordance / untied if untied else float("nan")


def expected_calibration_error(targets: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> float:
    """ECE over all pairs (n,): mean |target − probability| over equal-width bins, weighted by bin size.

    Targets may be soft labels in [0, 1] (Guo et al., ICML 2017, with soft labels in place of hits).
    """
    filled = reliability_bins(targets, probabilities, bins)
    return sum(each.pairs * abs(each.target - each.probability) for each in filled) / sum(each.pairs for each in filled)


def reliability_bins(targets: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 10) -> list[ReliabilityBin]:
    """The equal-width bins of [0, 1] that hold any of the pairs (n,), from the lowest probability up."""
    targets_, probabilities_ = _pair_of_arrays(targets, probabilities)
    which = np.minimum((probabilities_ * bins).astype(np.int64), bins - 1)
    counts = np.bincount(which)
    target_sums, probability_sums = (np.bincount(which, weights=values) for values in (targets_, probabilities_))
    return [
        ReliabilityBin(float(probability_sums[b] / counts[b]), float(target_sums[b] / counts[b]), int(counts[b]))
        for b in np.flatnonzero(counts)
    ]


def bootstrap_interval(per_query: npt.ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of a per-query metric (q,) with its percentile bootstrap interval over queries; nan queries are left out."""
    values = np.asarray(per_query, dtype=np.float64)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    means = np.concatenate(
        [
            values[rng.integers(0, values.size, size=(rows, values.size))].mean(axis=1)
            for rows in _blocks(resamples, values.size)
        ]
    )
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def randomisation_p_value(differences: npt.ArrayLike, permutations: int = 10_000, seed: int = 0) -> float:
    """Two-sided p-value of the paired randomisation test on per-query differences (q,); nan queries are left out.

    If two systems do not differ, each difference could as well have had the other sign: p is the share of sign
    vectors whose mean is as far from 0 as the one seen (Smucker et al., CIKM 2007). All 2^q are gone through
    where they are at most `permutations`; else that many are drawn, and the one seen counts as one more, so that
    p is never 0 (Phipson & Smyth 2010). nan without any query.
    """
    values = np.asarray(differences, dtype=np.float64)
    values = values[~np.isnan(values)]
    if values.size == 0:
        return float("nan")
    # A difference of 0 is the same with either sign: without it there are fewer vectors to go through.
    values = values[values != 0.0]
    # Sums of the same numbers in another order may differ in the last bits.
    seen = abs(float(values.sum())) - 1e-9 * float(np.abs(values).sum())
    if 2**values.size <= permutations:
        return float(np.mean(np.abs(_every_flip(values)) >= seen))
    rng = np.random.default_rng(seed)
    sizes = _blocks(permutations, values.size)
    extreme = sum(int(np.count_nonzero(np.abs(_random_flips(values, size, rng)) >= seen)) for size in sizes)
    return (1 + extreme) / (1 + permutations)


def _blocks(rows: int, width: int) -> list[int]:
    """How many of the rows of `width` random numbers are drawn at a time."""
    block = max(1, DRAWN_AT_ONCE // width)
    return [min(block, rows - start) for start in range(0, rows, block)]


def _every_flip(values: FloatArray) -> FloatArray:
    """Sums (2^q,) of `values` (q,) under every choice of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def _random_flips(values: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """Sums (count,) of `values` (q,) under random signs."""
    positive = rng.integers(0, 2, size=(count, values.size), dtype=np.int8)
    return np.asarray(2.0 * (positive @ values) - values.sum())


def _tie_averaged(gains: FloatArray, scores: FloatArray) -> FloatArray:
    """Gains in rank order (n,), with the gains of equal scores replaced by their mean."""
    _, group, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    means = np.bincount(group, weights=gains) / counts
    return np.repeat(means, counts)


def _pair_of_arrays(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"expected two non-empty arrays of one length, got shapes {a.shape} and {b.shape}")
    if np.isnan(a).any() or np.isnan(b).any():
        raise ValueError("grades and scores must not contain nan")
    return a, b


def ties_at_top(reference: npt.ArrayLike, measured: npt.ArrayLike, cutoff: int) -> int:
    """How many of the best `cutoff` by `measured` (n,) have the value of a pair that `reference` (n,) tells from them.

    A pair that is there twice has one value rightly; what another precision has made equal, it no longer ranks.
    """
    reference_, measured_ = _pair_of_arrays(reference, measured)
    top = np.argsort(-measured_, kind="stable")[:cutoff]
    equal = measured_[top, None] == measured_
    apart = np.abs(reference_[top, None] - reference_) > LEAST_APART
    return int((equal & apart).any(axis=1).sum())
