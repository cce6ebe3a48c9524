from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from training.datasets.generic import read_generic
from training.errors import DataError

PRODUCTS: list[dict[str, Any]] = [{"id": "a", "title": "Oak table", "brand": "Acme"}, {"id": 2, "title": "Pine shelf"}]
JUDGEMENTS: list[dict[str, Any]] = [
    {"query": "table", "product_id": "a", "grade": 4},
    {"query": "table", "product_id": 2, "grade": 2},
    {"query": "shelf", "product_id": "2", "grade": 3},
]


def write(folder: Path, files: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder


def targets(folder: Path) -> dict[tuple[str, str], float]:
    return {(j.query, j.product_id): j.target for j in read_generic(folder, "jsonl").judgements}


def test_numeric_grades_map_linearly_from_the_range_seen_and_the_run_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    with caplog.at_level(logging.WARNING):
        assert targets(tmp_path) == {("table", "a"): 1.0, ("table", "2"): 0.0, ("shelf", "2"): 0.5}
    assert "map linearly from [2, 4] to [0, 1]" in caplog.text


def test_a_grade_table_maps_names_and_raters_are_averaged(tmp_path: Path) -> None:
    rows = [
        {"query": "table", "product_id": "a", "raters": ["E", "S"]},
        {"query": "table", "product_id": "2", "grade": "I"},
        {"query": "table", "product_id": "2", "grade": "S"},
    ]
    write(tmp_path, {"products": PRODUCTS, "judgements": rows})
    (tmp_path / "grades.json").write_text('{"E": 1, "S": 0.5, "I": 0}', encoding="utf-8")
    assert targets(tmp_path) == {("table", "a"): 0.75, ("table", "2"): 0.25}


def test_parquet_reads_as_jsonl_does(tmp_path: Path) -> None:
    products = [{"id": "a", "title": "Oak table", "brand": "Acme"}, {"id": "2", "title": "Pine shelf", "brand": None}]
    judgements = [{**row, "product_id": str(row["product_id"])} for row in JUDGEMENTS]
    for name, rows in {"products": products, "judgements": judgements, "queries": [{"query": "desk"}]}.items():
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    data = read_generic(tmp_path, "parquet")
    assert [judgement.target for judgement in data.judgements] == [1.0, 0.0, 0.5]
    assert data.products["a"].brand == "Acme"
    assert [query.text for query in data.query_log] == ["desk"]


def test_queries_carry_their_weight(tmp_path: Path) -> None:
    queries = [{"query": "desk", "weight": 3}, {"query": "chair"}]
    write(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS, "queries": queries})
    assert [(q.text, q.weight) for q in read_generic(tmp_path, "jsonl").query_log] == [("desk", 3.0), ("chair", 1.0)]


def test_unknown_product_columns_are_left_out_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, {"products": [{**p, "price": 3} for p in PRODUCTS], "judgements": JUDGEMENTS})
    with caplog.at_level(logging.WARNING):
        read_generic(tmp_path, "jsonl")
    assert "not read: price" in caplog.text


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("judgements", {"query": "table", "product_id": "zz", "grade": 1}, r"judgements\.jsonl:4: product_id 'zz'"),
    ("judgements", {"query": "  ", "product_id": "a", "grade": 1}, r"judgements\.jsonl:4: 'query' is missing"),
    ("judgements", {"query": "table", "product_id": "a"}, r"judgements\.jsonl:4: 'grade' is missing"),
    ("judgements", {"query": "table", "product_id": "a", "grade": "good"}, r"judgements\.jsonl:4: grade 'good'"),
    ("judgements", {"query": "table", "product_id": "a", "raters": 3}, r"judgements\.jsonl:4: 'raters'"),
    ("products", {"id": "b"}, r"products\.jsonl:3: 'title' is missing"),
    ("products", {"id": "a", "title": "again"}, r"products\.jsonl:3: product id 'a' occurs twice"),
    ("products", {"id": "b", "title": "t", "attributes": 3}, r"products\.jsonl:3: attributes"),
    ("queries", {"query": "q", "weight": -1}, r"queries\.jsonl:1: weight -1"),
]


@pytest.mark.parametrize(("name", "row", "message"), BAD)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    files: dict[str, list[dict[str, Any]]] = {"products": list(PRODUCTS), "judgements": list(JUDGEMENTS), "queries": []}
    files[name].append(row)
    write(tmp_path, files)
    with pytest.raises(DataError, match=message):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{nonsense\n", r"judgements\.jsonl:1: not valid JSON"),
        (b"[1]\n", r"judgements\.jsonl:1: expected a JSON object"),
        (b'{"query": "\\ud800", "product_id": "a", "grade": 1}\n', r"judgements\.jsonl:1: .*lone surrogate"),
        (b"\xff\xfe\n", r"judgements\.jsonl is not UTF-8"),
        (b"", r"judgements\.jsonl has no judgements"),
        (b'{"query": "q", "product_id": "a", "grade": 1}\n', r"all grades are 1, so there is nothing to learn"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    write(tmp_path, {"products": PRODUCTS})
    (tmp_path / "judgements.jsonl").write_bytes(line)
    with pytest.raises(DataError, match=message):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize("text", ["[]", "{", '{"E": 2}', '{"E": "high"}'])
def test_a_bad_grade_table_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"grades\.json"):
        read_generic(tmp_path, "jsonl")


def test_a_grade_outside_the_table_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    (tmp_path / "grades.json").write_text('{"4": 1, "2": 0}', encoding="utf-8")
    with pytest.raises(DataError, match=r"judgements\.jsonl:3: grade 3 is not in grades\.json"):
        read_generic(tmp_path, "jsonl")


def test_a_folder_without_products_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no products\.jsonl; a dataset needs 'judgements' and 'products'"):
        read_generic(tmp_path, "jsonl")


def test_a_corrupt_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "products.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "judgements.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"products\.parquet cannot be read as Parquet"):
        read_generic(tmp_path, "parquet")


def test_attributes_that_only_other_products_have_are_absent(tmp_path: Path) -> None:
    products = [{"id": "a", "title": "t", "attributes": {"width": "3", "size": None}}, {"id": "2", "title": "u"}]
    write(tmp_path, {"products": products, "judgements": JUDGEMENTS})
    assert read_generic(tmp_path, "jsonl").products["a"].attributes == {"width": "3"}
