from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from export.errors import ParityError
from export.parity import BOUNDS, DRIFT_PAIRS, Logits, Parity, broken_bound, checked, compare, largest_drift
from relevance.bundle import Precision


def test_the_figures_are_those_of_the_logits() -> None:
    reference = [np.array([2.0, 1.0, 0.0]), np.array([1.0, -1.0])]
    measured = [np.array([2.0, 0.9, 0.0]), np.array([-1.0, 1.0])]
    parity = compare([np.array([1.0, 0.5, 0.0]), np.array([1.0, 0.0])], reference, measured, drift=0.25)
    assert parity.largest_batch_drift == 0.25
    assert parity.pairs == 5
    assert parity.largest_logit_difference == 2.0
    assert parity.mean_logit_difference == pytest.approx(4.1 / 5)
    assert parity.kendall_tau == pytest.approx((1.0 - 1.0) / 2)
    assert parity.ndcg_torch == pytest.approx(1.0)
    assert parity.ndcg_graph < 1.0


@pytest.mark.parametrize(
    ("reference", "measured", "told"),
    [
        ([2.0, 1.0, 0.0], [float("nan"), float("inf"), 0.0], "the graph gives 2 logits that are not finite"),
        ([2.0, float("-inf"), 0.0], [2.0, 1.0, 0.0], "the checkpoint gives 1 logits that are not finite"),
    ],
)
def test_logits_that_are_not_finite_stop_the_export(reference: list[float], measured: list[float], told: str) -> None:
    with pytest.raises(ParityError, match=f"^{told}$"):
        compare([np.array([1.0, 0.5, 0.0])], [np.array(reference)], [np.array(measured)], drift=0.0)


def test_without_a_relevant_product_there_is_no_ndcg_and_it_bounds_nothing() -> None:
    logits = [np.array([2.0, 1.0, 0.0])]
    parity = compare([np.array([0.0, 0.0, 0.0])], logits, logits, drift=0.0)
    assert np.isnan([parity.ndcg_torch, parity.ndcg_graph]).all()
    assert broken_bound(parity, BOUNDS["fp32"]) is None


def test_the_drift_is_the_largest_of_pairs_spread_over_all_lists() -> None:
    pairs = list(range(10 * DRIFT_PAIRS))
    asked: list[int] = []

    def alone(pair: int) -> Logits:
        asked.append(pair)
        return np.array([pair + (0.5 if pair == 2000 else 0.25)])

    in_batches = [np.array(pairs[:7], np.float64), np.array(pairs[7:], np.float64)]
    assert largest_drift(alone, pairs, in_batches) == 0.5
    assert asked == pairs[::10]
    # What is no number passes no bound, wherever it stands.
    assert np.isnan(largest_drift(lambda pair: np.array([np.nan if pair == 1 else pair]), [0, 1, 2], [np.arange(3.0)]))


GOOD = Parity(
    10, 1e-4, 1e-5, ndcg_torch=0.8, ndcg_graph=0.8, kendall_tau=1.0, largest_batch_drift=0.0, places_at_top=10
)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"largest_logit_difference": 0.5}, "largest logit difference is 0.5 (bound: at most 0.001)"),
        ({"largest_logit_difference": float("nan")}, "largest logit difference is nan"),
        ({"ndcg_graph": 0.7}, r"nDCG@10 fell from 0\.8000 to 0\.7000 (bound: at most 0\.001)"),
        ({"kendall_tau": 0.5}, r"Kendall tau to the checkpoint is 0\.5000 (bound: at least 0\.999)"),
        ({"kendall_tau": float("nan")}, "Kendall tau to the checkpoint is nan"),
        ({"largest_batch_drift": 0.01}, "moves by 0.01 with the batch around its pair (bound: at most 1e-05)"),
        ({"largest_batch_drift": float("nan")}, "moves by nan"),
        ({"ties_at_top": 2}, "2 of 10 places at the top have the logit of another pair (bound: at most 0%)"),
    ],
)
def test_each_bound_stops_the_export_and_names_its_figure(change: dict[str, float], named: str) -> None:
    assert broken_bound(GOOD, BOUNDS["fp32"]) is None
    parity = Parity(**{**{name: getattr(GOOD, name) for name in Parity.__slots__}, **change})
    problem = broken_bound(parity, BOUNDS["fp32"])
    assert problem is not None
    assert named.replace("\\", "") in problem


@pytest.mark.parametrize(
    ("precision", "way_out"),
    [("int8", r'precisions = \["fp32"\] in the settings file'), ("fp32", "trained anew: on more")],
)
def test_a_refused_graph_says_its_figure_its_bound_and_what_can_be_done(precision: Precision, way_out: str) -> None:
    bound = rf"0\.4000 \(bound: at least {BOUNDS[precision].tau}\)"
    told = rf"^model\.onnx: Kendall tau .* is {bound}, measured in {precision} on 10 judged pairs; .*{way_out}"
    with pytest.raises(ParityError, match=told) as refused:
        checked(replace(GOOD, kendall_tau=0.4), "model.onnx", precision, BOUNDS[precision])
    assert "Bounds(" not in str(refused.value)
    assert checked(GOOD, "model.onnx", precision, BOUNDS[precision])["kendall_tau"] == 1.0
