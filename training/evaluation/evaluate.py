"""Evaluation: systems side by side on the same held-out queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from training.datasets.schema import Dataset
from training.evaluation.measure import Evaluation, measure
from training.evaluation.scored_pairs import FloatArray, ScoredPairs
from training.models.bi_encoder import BiEncoder
from training.pool.retrievers import Bm25

BASELINES = ("random", "bm25", "cosine")
"""The systems that nothing is trained for."""

QUERIES_AT_ONCE = 64
"""Enough pairs to sort by length and fill a model's batches."""

System = Callable[[Sequence[str], Sequence[Product]], npt.NDArray[np.floating[Any]]]
"""Scores (n,) of n row-aligned pairs, each query's candidates side by side; higher is more relevant."""


def by_query(score: Callable[[str, Sequence[Product]], npt.NDArray[np.floating[Any]]]) -> System:
    """A system that is asked for one query's candidates at a time."""

    def scores(queries: Sequence[str], products: Sequence[Product]) -> npt.NDArray[np.floating[Any]]:
        return np.concatenate([score(query, products[rows]) for query, rows in _groups(queries)])

    return scores


def _groups(queries: Sequence[str]) -> Iterator[tuple[str, slice]]:
    """Each query with its rows."""
    start = 0
    for query, rows in groupby(queries):
        stop = start + len(list(rows))
        yield query, slice(start, stop)
        start = stop


def evaluate(dataset: Dataset, systems: Mapping[str, System]) -> Evaluation:
    """Score every query's judged candidates with every system, and measure."""
    return measure(score_judged(dataset, systems))


def score_judged(
    dataset: Dataset, systems: Mapping[str, System], queries_at_once: int = QUERIES_AT_ONCE
) -> ScoredPairs:
    """Score every query's judged candidates with every system, a block of queries after another."""
    scores: dict[str, list[FloatArray]] = {name: [] for name in systems}
    groups = list(dataset.by_query().values())
    for start in range(0, len(groups), queries_at_once):
        block = [judgement for group in groups[start : start + queries_at_once] for judgement in group]
        queries = [judgement.query for judgement in block]
        products = [dataset.products[judgement.product_id] for judgement in block]
        for name, system in systems.items():
            scores[name].append(np.asarray(system(queries, products), dtype=np.float64))
    judged = [judgement for group in groups for judgement in group]
    return ScoredPairs(
        [judgement.query for judgement in judged],
        [judgement.product_id for judgement in judged],
        [dataset.products[judgement.product_id].title for judgement in judged],
        np.array([judgement.target for judgement in judged], dtype=np.float64),
        {name: np.concatenate(parts) for name, parts in scores.items()},
    )


def baselines(dataset: Dataset, bi_encoder: BiEncoder, seed: int) -> dict[str, System]:
    """What a shop has without training: random order, BM25 over its titles, zero-shot MiniLM cosine of titles."""
    rng = np.random.default_rng(seed)
    texts = [product.title for product in dataset.products.values()]
    row_of = {product_id: row for row, product_id in enumerate(dataset.products)}
    bm25 = Bm25(texts)
    systems: tuple[System, ...] = (
        lambda _, products: rng.random(len(products)),
        by_query(lambda query, products: bm25.scores(query)[[row_of[product.id or ""] for product in products]]),
        bi_encoder.title_cosines,
    )
    return dict(zip(BASELINES, systems, strict=True))
