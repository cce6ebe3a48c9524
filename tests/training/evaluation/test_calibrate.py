from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from relevance.calibration import Calibration
from training.evaluation.calibrate import SMALLEST_SCALE, cross_fitted_probabilities, fit_note, fit_platt


def test_it_finds_the_maximum_likelihood_fit() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(3.0, 5.0, size=2000)
    hits = rng.random(2000) < 1 / (1 + np.exp(-(0.7 * logits - 1.5)))
    fitted = fit_platt(logits, hits)
    reference = LogisticRegression(C=1e9, tol=1e-10).fit(logits[:, None], hits)
    assert fitted.scale == pytest.approx(reference.coef_[0, 0], rel=5e-3)
    assert fitted.bias == pytest.approx(reference.intercept_[0], rel=5e-3)


def test_soft_targets_give_back_their_own_map() -> None:
    logits = np.linspace(-4, 4, 5000)
    fitted = fit_platt(logits, 1 / (1 + np.exp(-(2 * logits + 0.5))))
    assert (fitted.scale, fitted.bias) == pytest.approx((2.0, 0.5), rel=5e-3)


@pytest.mark.parametrize("targets", [[0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
def test_separable_reversed_and_constant_targets_stay_finite_and_keep_the_order(targets: list[float]) -> None:
    fitted = fit_platt([-2.0, -1.0, 1.0, 2.0], targets)
    assert np.isfinite([fitted.scale, fitted.bias]).all()
    assert fitted.scale > 0


def test_a_few_separated_pairs_do_not_make_an_endless_scale() -> None:
    cosines = [0.7, 0.65, 0.6, 0.3, 0.2, 0.25]
    assert fit_platt(cosines, [1, 1, 1, 0, 0, 0]).scale < 30


def test_equal_logits_are_calibrated_to_the_mean_target() -> None:
    assert fit_platt([3.0, 3.0, 3.0], [0.0, 0.5, 1.0]).probability(np.array([3.0])) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("logits", [[0.3], [-2.0, 4.0]])
@pytest.mark.parametrize("target", [0.0, 0.5, 1.0])
def test_targets_that_are_all_equal_leave_the_logits_as_they_are(logits: list[float], target: float) -> None:
    targets = [target] * len(logits)
    fitted = fit_platt(logits, targets)
    assert fitted == Calibration()
    note = fit_note(fitted, targets)
    assert note is not None
    assert f"all {len(logits)} judged pairs have the target {target:g}" in note


def test_scores_no_better_than_chance_are_said_to_tell_nothing_apart() -> None:
    targets = [1.0, 0.5, 0.0]
    fitted = fit_platt([-1.0, 0.0, 1.0], targets)
    assert fitted.scale == SMALLEST_SCALE
    assert "no better than chance" in (fit_note(fitted, targets) or "")
    assert fit_note(fit_platt([1.0, 0.0, -1.0], targets), targets) is None


def test_half_of_the_queries_may_have_equal_targets() -> None:
    given = cross_fitted_probabilities(np.array([2.0, -1.0]), np.array([1.0, 0.0]), np.array([0, 1]))
    assert given == pytest.approx(Calibration().probability(np.array([2.0, -1.0])))
