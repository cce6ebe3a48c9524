"""Fitting Platt scaling to soft targets, and probabilities of pairs that it was not fitted on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relevance.calibration import Calibration

NEWTON_STEPS = 50
SMALLEST_SCALE = 1e-3
RIDGE = 0.05
"""Negligible beside hundreds of pairs; keeps a handful of perfectly separated ones from an endless scale."""


def fit_platt(logits: npt.ArrayLike, targets: npt.ArrayLike) -> Calibration:
    """Minimise the binary cross-entropy of sigmoid(scale · x + bias) against soft targets, both (n,).

    Newton's method on two parameters (Platt 1999, with soft targets in place of counts). The scale is
    kept positive: calibration never turns an order around, even where the model is worse than chance.
    Targets that are all equal say nothing of a scale, and a fit would give every pair that one target: the logits
    stay as they are. `fit_note` tells of both.
    """
    x = np.asarray(logits, dtype=np.float64)
    y = np.asarray(targets, dtype=np.float64)
    if _all_equal(y):
        return Calibration()
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([(x - centre) / spread, np.ones_like(x)], axis=1)
    weights = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        probability = 1.0 / (1.0 + np.exp(-np.clip(design @ weights, -30.0, 30.0)))
        gradient = design.T @ (probability - y) + RIDGE * weights
        curvature = (design * (probability * (1.0 - probability))[:, None]).T @ design + RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    scale = max(float(weights[0]) / spread, SMALLEST_SCALE)
    return Calibration(scale=scale, bias=float(weights[1]) - scale * centre)


def fit_note(fitted: Calibration, targets: npt.ArrayLike) -> str | None:
    """Why the fit to `targets` (n,) is none to rely on, for a log and a card; None where it is."""
    y = np.asarray(targets, dtype=np.float64)
    if _all_equal(y):
        return f"not fitted, scale 1: all {len(y)} judged pairs have the target {y[0]:g}; judge pairs of several grades"
    if fitted.scale <= SMALLEST_SCALE:
        return (
            f"at its least scale, {SMALLEST_SCALE:g}, so all products get nearly the same probability: on the {len(y)} "
            "judged pairs the scores are no better than chance; judge more, or train longer"
        )
    return None


def _all_equal(targets: npt.NDArray[np.float64]) -> bool:
    return bool((targets == targets[0]).all())


def cross_fitted_probabilities(
    logits: npt.NDArray[np.float64], targets: npt.NDArray[np.float64], query_numbers: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Calibrated probabilities (n,), each half of the queries by the other half's fit; nan with one query."""
    side = query_numbers % 2
    probabilities = np.full(len(targets), np.nan)
    if not (side == 1).any():
        return probabilities
    for number in (0, 1):
        fitted = fit_platt(logits[side != number], targets[side != number])
        probabilities[side == number] = fitted.probability(logits[side == number])
    return probabilities
