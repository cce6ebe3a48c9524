"""How often the right title comes first, by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relevance.ranking_metrics import Interval, bootstrap_interval
from training.checks.contrast import contrast_check
from training.evaluation.evaluate import System, score_judged
from training.evaluation.scored_pairs import FloatArray

ALL = "all"
TIE = 1e-6
"""Scores as near as that are the same: in another row of a batch, equal inputs differ in the last bits."""


@dataclass(frozen=True, slots=True)
class Accuracies:
    """`values`: system → (cases,), the case's accuracy@1. `rows`: slice → numbers (n,) of its cases, `all` last.

    `chance` (cases,) is what a random order gets. In word order and negation, where titles are on one of two sides, a
    model that prefers a side without reading the query gets up to ½.
    """

    values: Mapping[str, FloatArray]
    rows: Mapping[str, Sequence[int]]
    chance: FloatArray

    def interval(self, system: str, name: str) -> Interval:
        """Mean over a slice's cases with its 95 % bootstrap interval."""
        return bootstrap_interval(self.values[system][self.rows[name]])


def accuracy_at_1(targets: FloatArray, scores: FloatArray) -> float:
    """1 if the one right title (target 1) has the highest of the scores (n,), ½ if it shares it, else 0."""
    lead = float(scores[targets == 1.0].item() - scores[targets != 1.0].max())
    return 0.5 if abs(lead) <= TIE else float(lead > 0.0)


def contrast_accuracies(systems: Mapping[str, System]) -> Accuracies:
    """Every system on every case."""
    check = contrast_check()
    # One case at a time: titles that read alike are to be in one batch, where they get one score.
    pairs = score_judged(check.dataset, systems, queries_at_once=1)
    groups = pairs.groups()
    values = {
        name: np.array([accuracy_at_1(pairs.targets[rows], scores[rows]) for rows in groups.values()])
        for name, scores in pairs.scores.items()
    }
    number_of = {query: number for number, query in enumerate(groups)}
    rows = {name: [number_of[query] for query in queries] for name, queries in check.slices.items()}
    chance = np.array([1.0 / (rows.stop - rows.start) for rows in groups.values()])
    return Accuracies(values, {**rows, ALL: range(len(groups))}, chance)


def as_json(accuracies: Accuracies) -> dict[str, Any]:
    """Slice → {cases, chance, accuracy@1: system → {mean, low, high}}."""
    return {
        name: {
            "cases": len(rows),
            "chance": float(accuracies.chance[rows].mean()),
            "accuracy@1": {system: accuracies.interval(system, name)._asdict() for system in accuracies.values},
        }
        for name, rows in accuracies.rows.items()
    }


def table(accuracies: Accuracies) -> str:
    """A Markdown table for people: systems down, slices across, each with its interval."""
    lines = [
        _row("accuracy@1 (cases)", (f"{name} ({len(rows)})" for name, rows in accuracies.rows.items())),
        _row("---", [":-:"] * len(accuracies.rows)),
        _row("chance", (f"{accuracies.chance[rows].mean():.2f}" for rows in accuracies.rows.values())),
    ]
    for system in accuracies.values:
        intervals = [accuracies.interval(system, name) for name in accuracies.rows]
        lines.append(_row(system, (f"{each.mean:.2f} ({each.low:.2f} – {each.high:.2f})" for each in intervals)))
    return "\n".join(lines)


def _row(first: str, cells: Iterable[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"
