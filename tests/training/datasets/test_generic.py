from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.datasets.generic_files import JUDGEMENTS, PRODUCTS, targets, write_jsonl
from training.datasets.generic import read_generic
from training.errors import DataError


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
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS, "queries": queries})
    assert [(q.text, q.weight) for q in read_generic(tmp_path, "jsonl").query_log] == [("desk", 3.0), ("chair", 1.0)]


def test_unknown_product_columns_are_left_out_aloud(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_jsonl(tmp_path, {"products": [{**p, "price": 3} for p in PRODUCTS], "judgements": JUDGEMENTS})
    with caplog.at_level(logging.WARNING):
        read_generic(tmp_path, "jsonl")
    assert "not read: price" in caplog.text


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("judgements", {"query": "table", "product_id": "zz", "grade": 1}, r"judgements\.jsonl:4: product 'zz' is judged"),
    ("judgements", {"query": "  ", "product_id": "a", "grade": 1}, r"judgements\.jsonl:4: 'query' is missing"),
    ("judgements", {"query": "table", "product_id": "a"}, r"judgements\.jsonl:4: 'grade' is missing"),
    ("judgements", {"query": "table", "product_id": "a", "grade": "good"}, r"judgements\.jsonl:4: grade 'good'"),
    ("judgements", {"query": "table", "product_id": "a", "raters": 3}, r"judgements\.jsonl:4: 'raters'"),
    (
        "judgements",
        {"query": "table", "product_id": "a", "label": 3},
        r":4: 'grade' is missing or empty; the row has .*'label'",
    ),
    ("judgements", {"query": "table", "product_id": "a", "grade": float("nan")}, r"jsonl:4: 'grade' is missing"),
    ("judgements", {"query": "table", "product_id": "a", "grade": float("inf")}, r"jsonl:4: grade inf is not a number"),
    ("judgements", {"query": "table", "product_id": "a", "grade": True}, r"jsonl:4: grade true is not a number.*true"),
    ("judgements", {"query": "table", "product_id": "a", "grade": "Exact"}, r"jsonl:4: grade 'Exact' .* grades\.json"),
    ("judgements", {"query": "table", "product_id": "a", "raters": [None]}, r"jsonl:4: 'raters' holds no grade"),
    ("judgements", {"query": "table", "product_id": "a", "raters": []}, r"jsonl:4: 'grade' is missing"),
    ("judgements", {"query": ["table"], "product_id": "a", "grade": 1}, r"jsonl:4: 'query' must be text"),
    ("judgements", {"query": "table", "product_id": {"id": 1}, "grade": 1}, r"jsonl:4: 'product_id' must be text"),
    ("products", {"title": "no id"}, r"products\.jsonl:3: 'id' is missing"),
    ("products", {"id": True, "title": "t"}, r"products\.jsonl:3: 'id' must be text or a number"),
    ("products", {"id": "b", "title": {"en": "t"}}, r"products\.jsonl:3: title: .*got \{'en': 't'\}"),
    ("products", {"id": "b", "title": "t", "attributes": [{"name": "width", "value": 3}]}, r"jsonl:3: attributes must"),
    (
        "products",
        {"id": "b", "title": "t", "attributes": {"a": {"b c": 1}, "a b": {"c": 2}}},
        r"jsonl:3: .*'a b c' twice",
    ),
    ("products", {"id": "b", "title": "t", "attributes": {"size": [{"w": 1}]}}, r"jsonl:3: attributes\.size"),
    ("products", {"id": "a", "title": "again"}, r"products\.jsonl:3: product id 'a' occurs twice"),
    ("products", {"id": "b", "title": "t", "attributes": 3}, r"products\.jsonl:3: attributes"),
    ("queries", {"query": "q", "weight": -1}, r"queries\.jsonl:1: weight -1"),
    ("queries", {"query": "q", "weight": "often"}, r"queries\.jsonl:1: weight 'often' is not a number"),
    ("queries", {"query": " "}, r"queries\.jsonl:1: 'query' is missing"),
]


@pytest.mark.parametrize(("name", "row", "message"), BAD)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, name: str, row: dict[str, Any], message: str) -> None:
    files: dict[str, list[dict[str, Any]]] = {"products": list(PRODUCTS), "judgements": list(JUDGEMENTS), "queries": []}
    files[name].append(row)
    write_jsonl(tmp_path, files)
    with pytest.raises(DataError, match=message):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{nonsense\n", r"judgements\.jsonl:1: not valid JSON"),
        (b"[1]\n", r"judgements\.jsonl:1: expected a JSON object"),
        (
            b'{"query": "x", "product_id": "a", "grade": 0, "grade": 3}\n',
            r"jsonl:1: the key 'grade' is there",
        ),
        (b'{"query": "\\ud800", "product_id": "a", "grade": 1}\n', r"judgements\.jsonl:1: .*lone surrogate"),
        (b"\xff\xfe\n", r"judgements\.jsonl:1: not UTF-8 \(byte 0xff"),
        (b"{}\r\r{}\rcaf\xe9\r", r"judgements\.jsonl:4: not UTF-8 \(byte 0xe9"),
        (gzip.compress(b"{}", mtime=0), r"judgements\.jsonl is gzip; name it judgements\.jsonl\.gz"),
        (b"", r"judgements\.jsonl has no judgements"),
        (b"[" * 100_000, r"judgements\.jsonl:1: not valid JSON"),
        (b'{"query": "q", "product_id": "a", "grade": 1}\n', r"all grades are 1, so there is nothing to learn"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, line: bytes, message: str) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS})
    (tmp_path / "judgements.jsonl").write_bytes(line)
    with pytest.raises(DataError, match=message):
        read_generic(tmp_path, "jsonl")


def test_a_folder_without_products_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no products\.jsonl; a dataset needs 'judgements' and 'products'"):
        read_generic(tmp_path, "jsonl")


def test_a_corrupt_parquet_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "products.parquet").write_bytes(b"PAR1 no table")
    (tmp_path / "judgements.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"products\.parquet cannot be read as Parquet"):
        read_generic(tmp_path, "parquet")


def test_untitled_products_are_left_out_unless_they_are_judged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_jsonl(tmp_path, {"products": [*PRODUCTS, {"id": 9}], "judgements": JUDGEMENTS})
    assert "9" not in read_generic(tmp_path, "jsonl").products
    assert "products without a title are left out: 1" in caplog.text
    write_jsonl(tmp_path, {"judgements": [*JUDGEMENTS, {"query": "q", "product_id": 9, "grade": 2}]})
    with pytest.raises(DataError, match=r"products\.jsonl:3: 'title' is missing .* '9' is judged in .*jsonl:4"):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize(("rows", "message"), [([], "has no products"), ([{"id": 1}], "has no products with a title")])
def test_a_catalogue_without_products_is_named(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    write_jsonl(tmp_path, {"products": rows, "judgements": JUDGEMENTS})
    with pytest.raises(DataError, match=rf"products\.jsonl {message}$"):
        read_generic(tmp_path, "jsonl")


def test_unread_columns_of_judgements_and_queries_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    judgements = [{**row, "rater": "r1"} for row in JUDGEMENTS]
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": judgements, "queries": [{"query": "desk", "count": 3}]})
    read_generic(tmp_path, "jsonl")
    assert "judgements.jsonl: columns that mean nothing here are not read: rater" in caplog.text
    assert "queries.jsonl: columns that mean nothing here are not read: count" in caplog.text


def test_windows_line_ends_a_byte_order_mark_and_blank_lines_change_nothing(tmp_path: Path) -> None:
    plain = read_generic(write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS}), "jsonl")
    for name in ("products", "judgements"):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert read_generic(tmp_path, "jsonl") == plain


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.sampled_from(["a", "q", 1, 2]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(["query", "product_id", "grade", "raters"], VALUES))),
    st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "title", "brand", "attributes", "prior"], VALUES))
    ),
    st.none() | st.dictionaries(st.text(max_size=2), VALUES, max_size=3),
)
def test_any_json_is_read_or_refused_by_name_and_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, judgements: list[Any], products: list[Any], grades: dict[str, Any] | None
) -> None:
    folder = tmp_path_factory.mktemp("any")
    write_jsonl(folder, {"products": [*PRODUCTS, *products], "judgements": [*JUDGEMENTS, *judgements]})
    if grades is not None:
        (folder / "grades.json").write_text(json.dumps({"4": 1, "3": 0.5, "2": 0, **grades}), encoding="utf-8")
    try:
        data = read_generic(folder, "jsonl")
    except DataError as error:
        assert str(folder) in str(error)
        return
    assert {judgement.product_id for judgement in data.judgements} <= data.products.keys()
    assert all(0.0 <= judgement.target <= 1.0 for judgement in data.judgements)


def test_a_damaged_gzip_file_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS})
    packed = bytearray(gzip.compress("".join(json.dumps(row) + "\n" for row in JUDGEMENTS).encode()))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "judgements.jsonl.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"judgements\.jsonl\.gz"):
        read_generic(tmp_path, "jsonl")
    # The first block's kind: zlib itself gives up.
    packed[10] = 0x07
    (tmp_path / "judgements.jsonl.gz").write_bytes(packed)
    with pytest.raises(DataError, match=r"judgements\.jsonl\.gz is no whole gzip file: .*; copy it again"):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize("layout", ["jsonl", "parquet"])
def test_a_directory_in_a_files_place_is_said_to_be_one(tmp_path: Path, layout: Literal["jsonl", "parquet"]) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS})
    pq.write_table(pa.Table.from_pylist([{"id": "a", "title": "Oak table"}]), tmp_path / "products.parquet")
    (tmp_path / f"judgements.{layout}").mkdir()
    with pytest.raises(DataError, match=rf"judgements\.{layout} is a directory"):
        read_generic(tmp_path, layout)


def test_ids_are_the_same_as_text_as_integers_and_as_a_table_tools_floats(tmp_path: Path) -> None:
    judgements = [{"query": "shelf", "product_id": key, "grade": 1} for key in (2, "2", 2.0, " 2 ")]
    write_jsonl(
        tmp_path, {"products": PRODUCTS, "judgements": [*judgements, {"query": "x", "product_id": "a", "grade": 0}]}
    )
    assert targets(tmp_path) == {("shelf", "2"): 1.0, ("x", "a"): 0.0}


def test_parquet_text_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    title = pa.array([b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"id": ["a"], "title": title}), tmp_path / "products.parquet")
    with pytest.raises(DataError, match=r"products\.parquet: column 'title' holds what cannot be read .*utf-8"):
        read_generic(tmp_path, "parquet")


def write_parquet(folder: Path, products: pa.Table) -> Path:
    pq.write_table(products, folder / "products.parquet")
    rows = [{**row, "product_id": "a"} for row in JUDGEMENTS]
    rows = [{**row, "query": f"{row['query']} {n}"} for n, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "judgements.parquet")
    return folder


FAR = pa.array([10**13], pa.timestamp("s"))
DOUBLE = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])


@pytest.mark.parametrize("values", [FAR, DOUBLE])
def test_a_column_that_python_cannot_hold_is_named_where_it_is_read(
    tmp_path: Path, values: pa.Array, caplog: pytest.LogCaptureFixture
) -> None:
    base = {"id": pa.array(["a"]), "title": pa.array(["Oak table"])}
    assert len(read_generic(write_parquet(tmp_path, pa.table({**base, "since": values})), "parquet").judgements) == 3
    assert "products.parquet: columns that mean nothing here are not read: since" in caplog.text
    nested = pa.StructArray.from_arrays([values], names=["since"])
    write_parquet(tmp_path, pa.table({**base, "attributes": nested}))
    with pytest.raises(DataError, match=r"products\.parquet: column 'attributes' holds what cannot be read"):
        read_generic(tmp_path, "parquet")


def test_a_column_that_is_there_twice_is_refused_where_it_is_read(tmp_path: Path) -> None:
    columns = [pa.array([text]) for text in ("a", "Oak table", "Pine shelf", "x", "y")]
    unread = pa.table(columns[:2] + columns[3:], names=["id", "title", "title.en", "title.en"])
    assert read_generic(write_parquet(tmp_path, unread), "parquet").products["a"].title == "Oak table"
    write_parquet(tmp_path, pa.table(columns[:3], names=["id", "title", "title"]))
    with pytest.raises(DataError, match=r"products\.parquet: columns \['title'\] are there more than once"):
        read_generic(tmp_path, "parquet")


def test_a_missing_column_of_parquet_is_named_with_those_there_are(tmp_path: Path) -> None:
    write_parquet(tmp_path, pa.table({"sku": ["a"], "title": ["Oak table"]}))
    with pytest.raises(DataError, match=r"products\.parquet:1: 'id' is missing or empty; the row has 'sku', 'title'"):
        read_generic(tmp_path, "parquet")


@pytest.mark.parametrize("name", ["products", "judgements", "queries"])
def test_a_file_and_its_gzip_are_not_both_read(tmp_path: Path, name: str) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS, "queries": [{"query": "desk"}]})
    (tmp_path / f"{name}.jsonl.gz").write_bytes(gzip.compress(b"{}", mtime=0))
    with pytest.raises(DataError, match=rf"has both {name}\.jsonl and {name}\.jsonl\.gz; only one"):
        read_generic(tmp_path, "jsonl")


def test_files_of_these_names_in_another_form_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    for name in ("queries.csv", "queries.parquet", "products.tsv.gz", "notes.txt"):
        (tmp_path / name).write_text("query", encoding="utf-8")
    assert not read_generic(tmp_path, "jsonl").query_log
    assert "not read, as the layout is jsonl: queries.csv, queries.parquet; a log in another form" in caplog.text
    assert "not read, as the layout is jsonl: products.tsv.gz" in caplog.text
    assert "notes" not in caplog.text


def test_what_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    write_jsonl(tmp_path, {"products": PRODUCTS, "judgements": JUDGEMENTS})
    with monkeypatch.context() as patched:
        patched.setattr("builtins.open", closed)
        with pytest.raises(DataError, match=r"products\.jsonl cannot be read \(Permission denied\); check the perm"):
            read_generic(tmp_path, "jsonl")
    monkeypatch.setattr(Path, "iterdir", closed)
    with pytest.raises(DataError, match=rf"{tmp_path} cannot be read \(Permission denied\)"):
        read_generic(tmp_path, "jsonl")
