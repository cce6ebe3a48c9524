from __future__ import annotations

import math

import numpy as np
import pytest

from relevance.ranking_metrics import bootstrap_interval
from tests.training.hand_made import dataset, scored
from training.evaluation.intervals import in_brackets, interval_of
from training.evaluation.measure import as_json, measure, table
from training.evaluation.slices import slice_figures, slices_of
from training.report.numbers import interval
from training.run_directory import without_nan


def test_one_query_has_a_value_but_no_interval() -> None:
    for values in ([0.25], [math.nan, 0.25]):
        given = interval_of(values)
        assert given.mean == 0.25
        assert math.isnan(given.low)
        assert math.isnan(given.high)
    assert interval_of([0.25, 0.5, math.nan]) == bootstrap_interval([0.25, 0.5])
    assert math.isnan(interval_of([math.nan]).mean)


@pytest.mark.parametrize(
    ("low", "high", "plain", "signed"),
    [
        (0.125, 0.5, "0.2500 [0.125, 0.500]", "+0.2500 [+0.125, +0.500]"),
        (None, None, "0.2500 (one query: no interval)", "+0.2500 (one query: no interval)"),
        (math.nan, math.nan, "0.2500 (one query: no interval)", "+0.2500 (one query: no interval)"),
    ],
)
def test_a_mean_is_written_with_what_is_known(low: float | None, high: float | None, plain: str, signed: str) -> None:
    values = {"mean": 0.25, "low": low, "high": high}
    assert (in_brackets(values), in_brackets(values, "+")) == (plain, signed)
    assert in_brackets({**values, "mean": None}) == "undefined"


def test_tables_slices_and_the_report_have_one_rule() -> None:
    data = dataset(("lamp",))
    evaluation = measure(scored(data))
    student = as_json(evaluation)["ndcg@10"]["student"]
    mean = f"{student['mean']:.4f}"
    assert f"| {mean} | {mean} | – |" in table(evaluation, "d")
    assert interval(student) == mean[:-1] == f"{student['mean']:.3f}"
    for values in (student, evaluation.paired_test("ndcg@10", "student", "teacher")):
        assert without_nan(values)["low"] is without_nan(values)["high"] is None
    cell = slice_figures(evaluation, slices_of(data))["query length"]["1 word"]
    assert np.isnan([cell["ndcg@10"]["student"]["low"], cell["student_minus_teacher"]["high"]]).all()
