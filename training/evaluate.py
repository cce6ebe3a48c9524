"""Evaluation: systems side by side on the same held-out queries, with bootstrap intervals over queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from relevance.ranking_metrics import Interval, auc, bootstrap_interval, mrr_at_k, soft_target_ndcg
from training.bi_encoder import BiEncoder
from training.datasets.schema import Dataset
from training.retrievers import Bm25

Scores = npt.NDArray[np.floating[Any]]
System = Callable[[str, Sequence[Product]], Scores]
"""Scores (n,) of one query's n candidates; higher is more relevant."""

RELEVANT_TARGET = 0.5
"""From this target on, a product counts as relevant for MRR and AUC."""

Metric = Callable[[Scores, Scores], float]
METRICS: dict[str, Metric] = {
    "ndcg@5": lambda targets, scores: soft_target_ndcg(targets, scores, 5),
    "ndcg@10": lambda targets, scores: soft_target_ndcg(targets, scores, 10),
    "mrr@10": lambda targets, scores: mrr_at_k(targets >= RELEVANT_TARGET, scores, 10),
    "auc": lambda targets, scores: auc(targets >= RELEVANT_TARGET, scores),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per-query values of each metric: metric → system → (queries,), nan where a metric is undefined."""

    queries: Sequence[str]
    values: Mapping[str, Mapping[str, npt.NDArray[np.float64]]]
    scores: Mapping[str, npt.NDArray[np.float64]]
    """System → scores of all judged pairs, in the dataset's order by query."""

    def means(self, metric: str) -> dict[str, float]:
        """Mean of a metric for each system."""
        return {system: interval.mean for system, interval in self.intervals(metric).items()}

    def intervals(self, metric: str) -> dict[str, Interval]:
        """Mean and 95 % bootstrap interval of a metric for each system."""
        return {system: bootstrap_interval(values) for system, values in self.values[metric].items()}

    def difference(self, metric: str, first: str, second: str) -> Interval:
        """Paired bootstrap of the per-query difference first − second."""
        return bootstrap_interval(self.values[metric][first] - self.values[metric][second])


def evaluate(dataset: Dataset, systems: Mapping[str, System]) -> Evaluation:
    """Score every query's judged candidates with every system."""
    queries = list(dataset.by_query())
    values: dict[str, dict[str, list[float]]] = {metric: {name: [] for name in systems} for metric in METRICS}
    scores: dict[str, list[Scores]] = {name: [] for name in systems}
    for query, judgements in dataset.by_query().items():
        products = [dataset.products[judgement.product_id] for judgement in judgements]
        targets = np.array([judgement.target for judgement in judgements])
        for name, system in systems.items():
            given = np.asarray(system(query, products), dtype=np.float64)
            scores[name].append(given)
            for metric, function in METRICS.items():
                values[metric][name].append(function(targets, given))
    return Evaluation(
        queries,
        {metric: {name: np.array(v) for name, v in by_system.items()} for metric, by_system in values.items()},
        {name: np.concatenate(parts) for name, parts in scores.items()},
    )


def all_targets(dataset: Dataset) -> npt.NDArray[np.float64]:
    """Targets (n,) of all judged pairs, in the order of `Evaluation.scores`."""
    return np.array([judgement.target for group in dataset.by_query().values() for judgement in group])


def baselines(dataset: Dataset, bi_encoder: BiEncoder, seed: int) -> dict[str, System]:
    """What a shop has without training: random order, BM25 over its titles, zero-shot MiniLM cosine of titles."""
    rng = np.random.default_rng(seed)
    texts = [product.title for product in dataset.products.values()]
    row_of = {product_id: row for row, product_id in enumerate(dataset.products)}
    bm25 = Bm25(texts)
    return {
        "random": lambda query, products: rng.random(len(products)),
        "bm25": lambda query, products: bm25.scores(query)[[row_of[product.id or ""] for product in products]],
        "cosine": bi_encoder.title_cosines,
    }


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Metric → system → {mean, low, high}."""
    return {
        metric: {system: interval._asdict() for system, interval in evaluation.intervals(metric).items()}
        for metric in evaluation.values
    }


def table(evaluation: Evaluation, title: str) -> str:
    """A Markdown table for people: systems down, metrics across, interval beside nDCG@10."""
    lines = [f"| {title} ({len(evaluation.queries)} queries) | nDCG@5 | nDCG@10 | 95 % interval | MRR@10 | AUC |"]
    lines.append("| --- | --: | --: | :-: | --: | --: |")
    intervals = {metric: evaluation.intervals(metric) for metric in METRICS}
    for system in evaluation.scores:
        ten = intervals["ndcg@10"][system]
        others = [intervals[metric][system].mean for metric in ("ndcg@5", "mrr@10", "auc")]
        lines.append(
            f"| {system} | {others[0]:.4f} | {ten.mean:.4f} | {ten.low:.3f} – {ten.high:.3f} "
            f"| {others[1]:.4f} | {others[2]:.4f} |"
        )
    return "\n".join(lines)
