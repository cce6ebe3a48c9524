from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.special import expit

from relevance.calibration import Calibration, LabelBand, Labels

finite = st.floats(-1e6, 1e6)


@given(logits=st.lists(finite, min_size=1), scale=st.floats(1e-3, 1e3), bias=st.floats(-50, 50))
def test_it_is_platt_scaling_in_fp32_for_logits_of_any_size(logits: list[float], scale: float, bias: float) -> None:
    given_ = np.array(logits)
    probability = Calibration(scale=scale, bias=bias).probability(given_)
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability, expit(scale * given_ + bias), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_breaks_the_order_is_refused(scale: float) -> None:
    with pytest.raises(ValidationError):
        Calibration(scale=scale)


def test_a_label_is_the_highest_band_reached() -> None:
    bands = [LabelBand(name="good", min_score=0.6), LabelBand(name="bad", min_score=0.0)]
    assert [Labels(bands).of(score) for score in (0.0, 0.59, 0.6, 1.0)] == ["bad", "bad", "good", "good"]
    assert Labels([]).of(0.5) is None


def test_of_bands_that_begin_at_one_score_the_first_counts() -> None:
    bands = [LabelBand(name=name, min_score=start) for name, start in (("good", 0.5), ("fine", 0.5), ("bad", 0.0))]
    assert [Labels(bands).of(score) for score in (0.4, 0.5, 0.9)] == ["bad", "good", "good"]
