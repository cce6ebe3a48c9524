from __future__ import annotations

import logging
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.training.datasets.generic_files import JUDGEMENTS, PRODUCTS, targets, write_jsonl
from training.datasets.generic import read_generic
from training.errors import DataError


def test_numeric_grades_map_linearly_from_the_range_seen_and_the_run_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    with caplog.at_level(logging.WARNING):
        assert targets(tmp_path) == {("table", "a"): 1.0, ("table", "2"): 0.0, ("shelf", "2"): 0.5}
    assert "map linearly from [2, 4], the range seen, to [0, 1]" in caplog.text


def test_a_grade_table_maps_names_and_raters_are_averaged(tmp_path: Path) -> None:
    rows = [
        {"query": "table", "product_id": "a", "raters": ["E", "S"]},
        {"query": "table", "product_id": "2", "grade": "I"},
        {"query": "table", "product_id": "2", "grade": "S"},
    ]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    (tmp_path / "grades.json").write_text('{"E": 1, "S": 0.5, "I": 0}', encoding="utf-8")
    assert targets(tmp_path) == {("table", "a"): 0.75, ("table", "2"): 0.25}


@pytest.mark.parametrize("text", ["[]", "[1]", "3", "{", "[" * 100_000, '{"E": {"a": 1}}', '{"E": 2}', '{"E": "high"}'])
def test_a_bad_grade_table_is_named(tmp_path: Path, text: str) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"grades\.json"):
        read_generic(tmp_path, "jsonl")


def test_a_grade_outside_the_table_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").write_text('{"4": 1, "2": 0}', encoding="utf-8")
    with pytest.raises(DataError, match=r"judgements\.jsonl:3: grade 3 is not in grades\.json"):
        read_generic(tmp_path, "jsonl")


def test_grades_by_name_and_by_number_are_looked_up(tmp_path: Path) -> None:
    rows = [
        {"query": "q", "product_id": "a", "grade": "Exact"},
        {"query": "q", "product_id": 2, "grade": 3.0},
        {"query": "r", "product_id": "a", "raters": ["3", None, "Irrelevant", 1]},
    ]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    table = '\ufeff{"Exact": 1, "Irrelevant": 0, "3": 0.5, "1.0": 0.25}'
    (tmp_path / "grades.json").write_text(table, encoding="utf-8")
    assert targets(tmp_path) == {("q", "a"): 1.0, ("q", "2"): 0.5, ("r", "a"): 0.25}


def test_an_empty_list_of_raters_leaves_the_grade(tmp_path: Path) -> None:
    rows = [{"query": "q", "product_id": p, "grade": g, "raters": r} for p, g, r in (("a", 2, []), (2, 1, None))]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    assert targets(tmp_path) == {("q", "a"): 1.0, ("q", "2"): 0.0}


def test_a_table_that_gives_every_grade_one_target_teaches_nothing(tmp_path: Path) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").write_text('{"2": 1, "3": 1, "4": 1}', encoding="utf-8")
    with pytest.raises(DataError, match=r"judgements\.jsonl: all 3 judged pairs have the target 1, .* the grade table"):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize("again", ["3.0", "3"])
def test_two_targets_for_one_grade_are_named(tmp_path: Path, again: str) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    table = f'{{"2": 0, "3": 0.5, "4": 1, "{again}": 0.6}}'
    (tmp_path / "grades.json").write_text(table, encoding="utf-8")
    with pytest.raises(DataError, match=r"grades\.json: grade '3' has two targets, 0\.5 and 0\.6"):
        read_generic(tmp_path, "jsonl")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(2, 10), st.data())
def test_raters_whose_mean_is_the_middle_give_one_half_in_any_order(
    tmp_path: Path, top: int, data: st.DataObject
) -> None:
    low = data.draw(st.lists(st.integers(0, top), min_size=1, max_size=4))
    raters = data.draw(st.permutations([*low, *(top - grade for grade in low)]))
    rows = [
        {"query": "q", "product_id": "a", "raters": raters},
        {"query": "r", "product_id": "a", "grade": 0},
        {"query": "r", "product_id": "2", "grade": top},
        # As rows of their own.
        *({"query": "s", "product_id": "a", "grade": grade} for grade in raters),
    ]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    read = targets(tmp_path)
    assert (read["q", "a"], read["s", "a"]) == (0.5, 0.5)


@pytest.mark.parametrize("raters", list(permutations([6, 7, 2])))
def test_the_order_of_raters_means_nothing(tmp_path: Path, raters: tuple[int, ...]) -> None:
    rows: list[dict[str, Any]] = [{"query": "q", "product_id": "a", "raters": list(raters)}]
    rows += [{"query": "r", "product_id": product, "grade": grade} for product, grade in (("a", 0), ("2", 10))]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    assert targets(tmp_path)["q", "a"] == 0.5


def test_raters_who_all_gave_none_leave_the_grade(tmp_path: Path) -> None:
    rows = [{"query": "q", "product_id": p, "grade": g, "raters": [None, None]} for p, g in (("a", 2), (2, 1))]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    assert targets(tmp_path) == {("q", "a"): 1.0, ("q", "2"): 0.0}


@pytest.mark.parametrize("table", ['{"true": 1, "false": 0}', '{"True": 1, "False": 0}', '{"false": 0, "1": 1}'])
def test_true_and_false_are_grades_as_json_spells_them(tmp_path: Path, table: str) -> None:
    rows: list[dict[str, Any]] = [
        {"query": "q", "product_id": "a", "grade": True},
        {"query": "q", "product_id": "2", "raters": [True, False, "true", False]},
        {"query": "r", "product_id": "2", "grade": False},
    ]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    (tmp_path / "grades.json").write_text(table, encoding="utf-8")
    if "rue" in table:
        assert targets(tmp_path) == {("q", "a"): 1.0, ("q", "2"): 0.5, ("r", "2"): 0.0}
        return
    with pytest.raises(DataError, match=r"jsonl:1: grade true is not in grades\.json, which knows \['1', 'false'\]"):
        targets(tmp_path)


def test_true_and_false_of_parquet_are_those_of_json(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["a"], "title": ["Oak table"]}), tmp_path / "products.parquet")
    rows = [{"query": query, "product_id": "a", "grade": grade} for query, grade in (("q", True), ("r", False))]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "judgements.parquet")
    (tmp_path / "grades.json").write_text('{"true": 1, "false": 0}', encoding="utf-8")
    assert [pair.target for pair in read_generic(tmp_path, "parquet").judgements] == [1.0, 0.0]


def test_a_directory_in_the_grade_tables_place_is_said_to_be_one(tmp_path: Path) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").mkdir()
    with pytest.raises(DataError, match=r"grades\.json is a directory"):
        read_generic(tmp_path, "jsonl")


def test_grades_whose_range_is_no_number_are_refused(tmp_path: Path) -> None:
    rows = [{"query": "q", "product_id": p, "grade": g} for p, g in (("a", 1e308), ("2", -1e308))]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": rows})
    with pytest.raises(DataError, match=r"judgements\.jsonl: grades from -1e\+308 to 1e\+308 are too far apart"):
        read_generic(tmp_path, "jsonl")
