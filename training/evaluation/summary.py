"""What `metrics.json` holds beyond each system's means: paired tests, calibration errors, slices.

`evaluated`           set → {queries, pairs}; a set is `held_out` or `general`
`tests`               set → difference → {metric, queries, mean, low, high, p_value}; a difference is
                      `student_minus_teacher` or `student_minus_cosine`, `queries` those where the metric is defined
`calibration_errors`  system → {raw, cross_fitted}: ECE on the held-out pairs before and after Platt scaling; `raw`
                      only for systems whose score is a logit
`slices`              dimension → value → {queries, ranked, ndcg@10 → system → {mean, low, high}, and both differences}

A number that is not defined (a slice without relevant products, the interval of one query, its calibration) is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from relevance.calibration import Calibration
from relevance.ranking_metrics import expected_calibration_error
from training.evaluation.calibrate import cross_fitted_probabilities
from training.evaluation.intervals import in_brackets
from training.evaluation.measure import HEADLINE, Evaluation
from training.evaluation.scored_pairs import FloatArray, ScoredPairs
from training.evaluation.slices import DIFFERENCES, Slices, slice_figures

LOGIT_SYSTEMS = ("teacher", "student")
"""Systems whose sigmoid is a probability as it stands."""


def further_figures(evaluations: Mapping[str, Evaluation], slices: Slices) -> dict[str, Any]:
    """The figures of the module's docstring, from the evaluation of each set."""
    held_out = evaluations["held_out"]
    return {
        "evaluated": {
            name: {"queries": len(each.queries), "pairs": len(each.pairs.targets)} for name, each in evaluations.items()
        },
        "tests": {
            name: {key: each.paired_test(HEADLINE, *pair) for key, pair in DIFFERENCES.items()}
            for name, each in evaluations.items()
        },
        "calibration_errors": {system: calibration_errors(held_out.pairs, system) for system in held_out.scores},
        "slices": slice_figures(held_out, slices),
    }


def ranking_note(held_out: Evaluation) -> str | None:
    """Why the student is none to serve yet, for a log, a report and a card; None where nothing speaks against it."""
    chance, cosine = (held_out.difference(HEADLINE, "student", other) for other in ("random", "cosine"))
    if chance.low <= 0.0:
        told = in_brackets(chance._asdict(), "+")
        return f"is not shown to rank better than chance: {HEADLINE} of student − random order is {told}"
    if cosine.high < 0.0:
        told = in_brackets(cosine._asdict(), "+")
        return f"ranks worse than the MiniLM cosine, which needs no training: {HEADLINE} of student − cosine is {told}"
    return None


def calibration_errors(pairs: ScoredPairs, system: str) -> dict[str, float]:
    """ECE of one system before (if its score is a logit) and after calibration; nan where there is none."""
    raw = raw_probabilities(pairs, system) if system in LOGIT_SYSTEMS else None
    return {
        "raw": float("nan") if raw is None else expected_calibration_error(pairs.targets, raw),
        "cross_fitted": _error_if_defined(pairs.targets, calibrated_probabilities(pairs, system)),
    }


def raw_probabilities(pairs: ScoredPairs, system: str) -> FloatArray:
    """Sigmoid (n,) of a system's logits."""
    return Calibration().probability(pairs.scores[system]).astype(np.float64)


def calibrated_probabilities(pairs: ScoredPairs, system: str) -> FloatArray:
    """Cross-fitted probabilities (n,): none was calibrated by its own query; nan with one query."""
    return cross_fitted_probabilities(pairs.scores[system], pairs.targets, pairs.query_numbers())


def _error_if_defined(targets: FloatArray, probabilities: FloatArray) -> float:
    return float("nan") if np.isnan(probabilities).any() else expected_calibration_error(targets, probabilities)
