from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from training.evaluation.calibrate import fit_platt


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
