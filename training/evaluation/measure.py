"""Metrics of systems side by side on the same queries, with bootstrap intervals over queries. Loads no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relevance.ranking_metrics import (
    Interval,
    auc,
    kendall_tau,
    mrr_at_k,
    randomisation_p_value,
    soft_target_ndcg,
)
from training.evaluation.intervals import has_interval, interval_of
from training.evaluation.scored_pairs import FloatArray, ScoredPairs

RELEVANT_TARGET = 0.5
"""From this target on, a product counts as relevant for MRR and AUC."""

HEADLINE = "ndcg@10"
TAU = "tau_to_teacher"
"""Kendall's tau-b between a system's order of a query's candidates and the teacher's; only where there is a teacher."""

Metric = Callable[[FloatArray, FloatArray], float]
METRICS: dict[str, Metric] = {
    "ndcg@5": lambda targets, scores: soft_target_ndcg(targets, scores, 5),
    "ndcg@10": lambda targets, scores: soft_target_ndcg(targets, scores, 10),
    "mrr@10": lambda targets, scores: mrr_at_k(targets >= RELEVANT_TARGET, scores, 10),
    "auc": lambda targets, scores: auc(targets >= RELEVANT_TARGET, scores),
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Per-query values of each metric: metric → system → (queries,), nan where a metric is undefined."""

    pairs: ScoredPairs
    values: Mapping[str, Mapping[str, FloatArray]]

    @property
    def queries(self) -> Sequence[str]:
        """The queries, in the order of `values`."""
        return list(self.pairs.groups())

    @property
    def scores(self) -> Mapping[str, FloatArray]:
        """System → scores of all judged pairs, in the dataset's order by query."""
        return self.pairs.scores

    def means(self, metric: str) -> dict[str, float]:
        """Mean of a metric for each system."""
        return {system: interval.mean for system, interval in self.intervals(metric).items()}

    def intervals(self, metric: str) -> dict[str, Interval]:
        """Mean and 95 % bootstrap interval of a metric for each system, as `intervals.py` has them."""
        return {system: interval_of(values) for system, values in self.values[metric].items()}

    def difference(self, metric: str, first: str, second: str) -> Interval:
        """Paired bootstrap of the per-query difference first − second."""
        return interval_of(self.differences(metric, first, second))

    def differences(self, metric: str, first: str, second: str) -> FloatArray:
        """Per-query difference first − second (queries,)."""
        return self.values[metric][first] - self.values[metric][second]

    def paired_test(self, metric: str, first: str, second: str) -> dict[str, Any]:
        """Difference first − second: queries where it is defined, bootstrap interval, p of the randomisation test."""
        differences = self.differences(metric, first, second)
        return {
            "metric": metric,
            "queries": int(np.count_nonzero(~np.isnan(differences))),
            **interval_of(differences)._asdict(),
            "p_value": randomisation_p_value(differences),
        }


def measure(pairs: ScoredPairs) -> Evaluation:
    """Every metric of every system for every query."""
    groups = pairs.groups().values()
    values = {
        metric: {
            system: np.array([function(pairs.targets[rows], scores[rows]) for rows in groups])
            for system, scores in pairs.scores.items()
        }
        for metric, function in METRICS.items()
    }
    if (teacher := pairs.scores.get("teacher")) is not None:
        values[TAU] = {
            system: np.array([kendall_tau(teacher[rows], scores[rows]) for rows in groups])
            for system, scores in pairs.scores.items()
        }
    return Evaluation(pairs, values)


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """Metric → system → {mean, low, high}."""
    return {
        metric: {system: interval._asdict() for system, interval in evaluation.intervals(metric).items()}
        for metric in evaluation.values
    }


def table(evaluation: Evaluation, title: str) -> str:
    """A Markdown table for people: systems down, metrics across, interval beside nDCG@10 where there is one."""
    lines = [f"| {title} ({len(evaluation.queries)} queries) | nDCG@5 | nDCG@10 | 95 % interval | MRR@10 | AUC |"]
    lines.append("| --- | --: | --: | :-: | --: | --: |")
    intervals = {metric: evaluation.intervals(metric) for metric in METRICS}
    for system in evaluation.scores:
        ten = intervals["ndcg@10"][system]
        others = [intervals[metric][system].mean for metric in ("ndcg@5", "mrr@10", "auc")]
        between = f"{ten.low:.3f} – {ten.high:.3f}" if has_interval(ten._asdict()) else "–"
        lines.append(f"| {system} | {others[0]:.4f} | {ten.mean:.4f} | {between} | {others[1]:.4f} | {others[2]:.4f} |")
    return "\n".join(lines)
