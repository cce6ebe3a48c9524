"""Evaluation: systems side by side on the same held-out queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

System = Callable[[str, Sequence[Product]], npt.NDArray[np.floating[Any]]]
"""Scores (n,) of one query's n candidates; higher is more relevant."""


def evaluate(dataset: Dataset, systems: Mapping[str, System]) -> Evaluation:
    """Score every query's judged candidates with every system, and measure."""
    return measure(score_judged(dataset, systems))


def score_judged(dataset: Dataset, systems: Mapping[str, System]) -> ScoredPairs:
    """Score every query's judged candidates with every system."""
    scores: dict[str, list[FloatArray]] = {name: [] for name in systems}
    groups = dataset.by_query()
    for query, judgements in groups.items():
        products = [dataset.products[judgement.product_id] for judgement in judgements]
        for name, system in systems.items():
            scores[name].append(np.asarray(system(query, products), dtype=np.float64))
    judged = [judgement for group in groups.values() for judgement in group]
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
        lambda query, products: rng.random(len(products)),
        lambda query, products: bm25.scores(query)[[row_of[product.id or ""] for product in products]],
        bi_encoder.title_cosines,
    )
    return dict(zip(BASELINES, systems, strict=True))
