from __future__ import annotations

import math

import numpy as np
import pytest

from relevance.ranking_metrics import expected_calibration_error, randomisation_p_value
from tests.training.hand_made import dataset, scored
from training.evaluation.measure import TAU, measure
from training.evaluation.slices import slices_of
from training.evaluation.summary import (
    calibrated_probabilities,
    calibration_errors,
    further_figures,
    ranking_note,
    raw_probabilities,
)


def test_its_shape_is_the_documented_one() -> None:
    data = dataset()
    evaluations = {"held_out": measure(scored(data)), "general": measure(scored(dataset(("tea", "cup"))))}
    figures = further_figures(evaluations, slices_of(data))
    assert figures["evaluated"] == {"held_out": {"queries": 5, "pairs": 20}, "general": {"queries": 2, "pairs": 8}}
    assert set(figures["tests"]["general"]) == {"student_minus_teacher", "student_minus_cosine"}
    test = figures["tests"]["held_out"]["student_minus_cosine"]
    differences = evaluations["held_out"].differences("ndcg@10", "student", "cosine")
    assert set(test) == {"metric", "queries", "mean", "low", "high", "p_value"}
    assert (test["metric"], test["queries"]) == ("ndcg@10", 5)
    assert test["mean"] == pytest.approx(differences.mean())
    assert test["p_value"] == randomisation_p_value(differences)
    assert set(figures["calibration_errors"]) == {"cosine", "teacher", "student"}
    assert "brand" in figures["slices"]


def test_tau_compares_each_query_with_the_teacher() -> None:
    pairs = scored(dataset(("a", "b")), teacher=[4, 3, 2, 1, 4, 3, 2, 1], student=[1, 2, 3, 4, 40, 30, 20, 10])
    evaluation = measure(pairs)
    assert evaluation.values[TAU]["student"].tolist() == [-1.0, 1.0]
    assert evaluation.means(TAU)["teacher"] == 1.0


def test_tau_is_undefined_where_a_system_ties_everything() -> None:
    pairs = scored(dataset(("a", "b")), teacher=[4, 3, 2, 1] * 2, student=[0, 0, 0, 0, 4, 3, 2, 1])
    assert math.isnan(measure(pairs).values[TAU]["student"][0])
    assert measure(pairs).means(TAU)["student"] == 1.0


def test_without_a_teacher_there_is_no_tau() -> None:
    pairs = scored(dataset(("a",)))
    del pairs.scores["teacher"]  # type: ignore[attr-defined]
    assert TAU not in measure(pairs).values


def test_calibration_errors_before_and_after() -> None:
    pairs = scored(dataset())
    errors = calibration_errors(pairs, "student")
    assert errors["raw"] == pytest.approx(
        expected_calibration_error(pairs.targets, raw_probabilities(pairs, "student"))
    )
    after = calibrated_probabilities(pairs, "student")
    assert errors["cross_fitted"] == pytest.approx(expected_calibration_error(pairs.targets, after))
    # A cosine is no logit: there is no probability before calibration.
    assert math.isnan(calibration_errors(pairs, "cosine")["raw"])


def test_no_pair_is_calibrated_by_its_own_query() -> None:
    data = dataset(("a", "b"))
    pairs, changed = scored(data), scored(data)
    changed.targets[:4] = 1.0 - changed.targets[:4]
    before, after = calibrated_probabilities(pairs, "student"), calibrated_probabilities(changed, "student")
    np.testing.assert_array_equal(before[:4], after[:4])
    assert not np.array_equal(before[4:], after[4:])


def test_one_query_has_no_calibration_error() -> None:
    assert math.isnan(calibration_errors(scored(dataset(("a",))), "student")["cross_fitted"])


RIGHT, WRONG = [4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    ("student", "random", "cosine", "told"),
    [
        (WRONG, RIGHT, WRONG, "is not shown to rank better than chance: ndcg@10 of student − random order is -0."),
        (RIGHT, RIGHT, WRONG, "is not shown to rank better than chance: ndcg@10 of student − random order is +0.0000"),
        ([4.0, 2.0, 3.0, 1.0], WRONG, RIGHT, "ranks worse than the MiniLM cosine"),
        (RIGHT, WRONG, RIGHT, None),
    ],
)
def test_a_student_that_is_none_to_serve_is_told(
    student: list[float], random: list[float], cosine: list[float], told: str | None
) -> None:
    scores = {"student": student * 5, "random": random * 5, "cosine": cosine * 5}
    note = ranking_note(measure(scored(dataset(), **scores)))
    assert (note or "").startswith(told or "") and (note is None) == (told is None)


def test_of_one_query_nothing_is_said() -> None:
    assert ranking_note(measure(scored(dataset(("a",)), random=RIGHT, student=WRONG))) is None
