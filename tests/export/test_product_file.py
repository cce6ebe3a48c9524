from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from export.errors import ProductFileError
from export.product_file import ProductFile
from relevance.product import Product
from training.datasets.generic import read_generic
from training.errors import DataError

ROWS: list[dict[str, Any]] = [
    {"id": "a", "title": "red lamp", "brand": "Acme", "attributes": {"height": 30, "dimmable": True}},
    {"id": "b", "title": "desk", "color": "oak"},
    {"id": "c", "title": "chair", "description": "four legs", "attributes": {}},
]
PRODUCTS = [Product.model_validate(row) for row in ROWS]


def json_lines(directory: Path, *lines: str) -> ProductFile:
    path = directory / "products.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ProductFile(path)


def parquet(directory: Path, table: pa.Table) -> ProductFile:
    path = directory / "products.parquet"
    pq.write_table(table, path)
    return ProductFile(path)


def read(products: ProductFile, skip: int = 0) -> list[Product]:
    return [product for block in products.blocks(2, skip) for product in block]


def test_json_lines_and_parquet_give_the_same_products(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([{**row, "attributes": json.dumps(row.get("attributes"))} for row in ROWS])
    columns = ("id", "title", "brand", "color", "description")
    whole = pa.table({name: [row.get(name) for row in ROWS] for name in columns}).append_column(
        "attributes", table["attributes"]
    )
    for products in (json_lines(tmp_path, *map(json.dumps, ROWS)), parquet(tmp_path, whole)):
        assert read(products) == PRODUCTS
        assert products.check() == 3
        assert read(products, skip=2) == PRODUCTS[2:]
        assert [len(block) for block in products.blocks(2)] == [2, 1]


def test_attributes_may_be_a_map_or_a_struct(tmp_path: Path) -> None:
    base = {"id": ["a"], "title": ["lamp"]}
    mapped = pa.array([[("colour", "red")]], pa.map_(pa.string(), pa.string()))
    struct = pa.array([{"colour": "red", "size": None}], pa.struct([("colour", pa.string()), ("size", pa.int32())]))
    for attributes in (mapped, struct):
        assert read(parquet(tmp_path, pa.table({**base, "attributes": attributes})))[0].attributes == {"colour": "red"}


def test_a_number_is_an_id_as_text(tmp_path: Path) -> None:
    assert read(parquet(tmp_path, pa.table({"id": [17], "title": ["lamp"]})))[0].id == "17"


def test_empty_lines_are_no_products(tmp_path: Path) -> None:
    products = json_lines(tmp_path, json.dumps(ROWS[0]), "", json.dumps(ROWS[1]), " ")
    assert (read(products), products.check()) == (PRODUCTS[:2], 2)
    assert read(products, skip=1) == PRODUCTS[1:2]


def test_a_byte_order_mark_before_the_first_line_is_none_of_its_json(tmp_path: Path) -> None:
    path = tmp_path / "products.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)), encoding="utf-8-sig")
    assert [product.id for product in read(ProductFile(path))] == [str(row["id"]) for row in ROWS]


def test_columns_that_are_left_out_are_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    products = json_lines(tmp_path, *(json.dumps({**row, "price": 3, "prior": 0.5}) for row in ROWS))
    assert read(products) == PRODUCTS
    assert len(caplog.records) == 1
    assert caplog.text.rstrip().endswith("left out: price, prior")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"title": "lamp"}', "line 2: 'id' is missing or empty; the row has 'title'"),
        ('{"id": "", "title": "lamp"}', "line 2: 'id' is missing or empty"),
        ('{"id": "b", "title": "lamp", "attributes": "red"}', "line 2: attributes must be an object"),
        ('{"id": "b", "title": {"en": "lamp"}}', "line 2: title"),
        ('{"id": true, "title": "lamp"}', "line 2: 'id' must be text or a number"),
        ('{"id": "a", "title": "lamp"}', "line 2: the product id of line 1 again, with different content"),
        (
            '{"id": "b", "title": "lamp", "attributes": {"v": [{"w": 1}]}}',
            r"line 2: attributes\.v: must be text, a finite",
        ),
        ("[]", "line 2: must be a JSON object"),
        ("{", "line 2: not valid JSON"),
    ],
)
def test_a_row_that_is_no_product_is_named(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ProductFileError, match=rf"products\.jsonl, {message}"):
        json_lines(tmp_path, json.dumps(ROWS[0]), line).check()


def test_a_bad_row_of_parquet_is_named(tmp_path: Path) -> None:
    table = pa.table({"id": [None if n == 1300 else n for n in range(1500)], "title": ["lamp"] * 1500})
    with pytest.raises(ProductFileError, match=r"products\.parquet, row 1301: 'id' is missing"):
        parquet(tmp_path, table).check()


def test_ids_of_a_warehouse_are_read_as_their_digits(tmp_path: Path) -> None:
    ids = pa.array([0, 10**37], pa.decimal128(38, 0))
    products = parquet(tmp_path, pa.table({"id": ids, "title": ["lamp", "desk"]}))
    assert [product.id for product in read(products)] == ["0", str(10**37)]


def test_the_columns_of_a_wide_table_are_told_in_short(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wide = {f"column {n}": ["a"] for n in range(2000)}
    with pytest.raises(ProductFileError, match=r"has no column id, only: title, column 0, .{,400}…$"):
        parquet(tmp_path, pa.table({"title": ["lamp"], **wide})).check()
    caplog.clear()
    parquet(tmp_path, pa.table({"id": ["a"], "title": ["lamp"], **wide})).check()
    assert len(caplog.text) < 600


def test_products_without_a_title_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    titles = ["lamp", None, "desk", " ", "chair"]
    products = parquet(tmp_path, pa.table({"id": list("abcde"), "title": titles}))
    assert products.check() == 3
    assert [product.id for product in read(products)] == ["a", "c", "e"]
    assert [product.id for product in read(products, skip=1)] == ["c", "e"]
    assert caplog.text.count("products without a title are left out: 2") == 1
    with pytest.raises(ProductFileError, match="has no products with a title"):
        parquet(tmp_path, pa.table({"id": ["a"], "title": pa.array([None], pa.string())})).check()
    with pytest.raises(ProductFileError, match=r"has no products$"):
        json_lines(tmp_path, "").check()


def test_a_repeated_id_is_refused_only_if_the_rows_differ(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows: list[dict[str, Any]] = [{"id": n, "title": f"lamp {n}", "attributes": {"a": 1, "b": 2}} for n in range(3000)]
    same = [{"attributes": {"a": 1, "b": 2}, "title": "lamp 7", "id": "7"}, rows[2999]]
    assert json_lines(tmp_path, *map(json.dumps, [*rows, *same])).check() == 3002
    assert "rows that repeat a product word for word: 2" in caplog.text
    differing = [{**rows[5], "color": "red"}, {**rows[2000], "title": "desk"}]
    with pytest.raises(ProductFileError, match=r"line 3003: the product id of line 6 again, with different content"):
        json_lines(tmp_path, *map(json.dumps, [*rows, *same, *differing])).check()
    # A model reads attributes in their order.
    turned = {"id": "7", "title": "lamp 7", "attributes": {"b": 2, "a": 1}}
    with pytest.raises(ProductFileError, match=r"line 3001: the product id of line 8 again"):
        json_lines(tmp_path, *map(json.dumps, [*rows, turned])).check()


def test_a_file_of_products_reads_as_training_reads_it(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 7.0, "title": 1984, "brand": 3, "color": ["red", "blue"], "gender": float("nan")},
        {"id": " b ", "title": " lamp ", "attributes": {"size": {"width": 3, "depth": None}, "for": ["cats", "dogs"]}},
        {"id": 8, "title": "desk", "attributes": {"assembly": "", "fabric": "linen", "none": []}, "product_type": " "},
        {"id": "c", "title": "chair", "attributes": '{"size": {"width": 3}}'},
        {"id": "d", "title": "rug", "attributes": [["pile", "short"], ["washable", True]]},
        {"id": "e", "title": None},
    ]
    rows[0]["prior"] = "n/a"
    products = read(json_lines(tmp_path, *map(json.dumps, rows)))
    judgements = [{"query": "q", "product_id": key, "grade": n} for n, key in enumerate((7, 8))]
    (tmp_path / "judgements.jsonl").write_text("\n".join(map(json.dumps, judgements)), encoding="utf-8")
    assert {product.id: product for product in products} == read_generic(tmp_path, "jsonl").products
    assert products[1].attributes == {"size width": 3, "for": "cats, dogs"}
    assert products[3].attributes == {"size width": 3}


def test_text_of_parquet_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    title = pa.array([b"caf\xe9"]).view(pa.string())
    with pytest.raises(ProductFileError, match=r"products\.parquet: column 'title' holds what cannot be read"):
        parquet(tmp_path, pa.table({"id": ["a"], "title": title})).check()


def test_parquet_without_the_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProductFileError, match=r"has no column id and no title, only: name"):
        read(parquet(tmp_path, pa.table({"name": ["lamp"]})))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(ProductFileError, match=r"products\.csv must be \.parquet"):
        ProductFile(tmp_path / "products.csv")
    with pytest.raises(ProductFileError, match=r"products\.parquet is not there"):
        ProductFile(tmp_path / "products.parquet")
    (tmp_path / "products.parquet").write_bytes(b"no parquet")
    with pytest.raises(ProductFileError, match=r"products\.parquet cannot be read as Parquet"):
        read(ProductFile(tmp_path / "products.parquet"))


@pytest.mark.parametrize("second", [{"b": 2, "a": 1}, {"a": 1.0, "b": 2}, {"a": True, "b": 2}, {"a": 1, "b": 2}])
def test_training_and_the_catalogue_agree_on_what_is_a_repetition(tmp_path: Path, second: dict[str, Any]) -> None:
    rows = [{"id": "7", "title": "lamp", "attributes": attributes} for attributes in ({"a": 1, "b": 2}, second)]
    products = json_lines(tmp_path, *map(json.dumps, [*rows, {"id": "8", "title": "desk"}]))
    judgements = [{"query": "q", "product_id": key, "grade": key} for key in (7, 8)]
    (tmp_path / "judgements.jsonl").write_text("\n".join(map(json.dumps, judgements)), encoding="utf-8")
    if repr(second) == repr(rows[0]["attributes"]):
        assert (products.check(), len(read_generic(tmp_path, "jsonl").products)) == (3, 2)
        return
    with pytest.raises(ProductFileError, match=r"line 2: .* with different content"):
        products.check()
    with pytest.raises(DataError, match=r"products\.jsonl:2: .* with different content"):
        read_generic(tmp_path, "jsonl")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["products.jsonl.gz", "products.NDJSON.gz", "products.ndjson"])
def test_lines_may_be_gzipped_and_end_as_on_any_machine(tmp_path: Path, name: str, end: str) -> None:
    content = end.join(map(json.dumps, ROWS)).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert read(ProductFile(tmp_path / name)) == PRODUCTS


def test_text_that_is_no_utf8_and_gzip_under_another_name_are_told(tmp_path: Path) -> None:
    path = tmp_path / "products.jsonl"
    path.write_bytes(b'{"id": "a", "title": "lamp"}\n{"id": "b", "title": "caf\xe9"}\n')
    with pytest.raises(ProductFileError, match=r"products\.jsonl:2: not UTF-8 \(byte 0xe9"):
        ProductFile(path).check()
    path.write_bytes(gzip.compress(b"{}"))
    with pytest.raises(ProductFileError, match=r"products\.jsonl is gzip; name it products\.jsonl\.gz"):
        ProductFile(path).check()


@pytest.mark.parametrize(
    "values",
    [pa.array([10**13], pa.timestamp("s")), pa.StructArray.from_arrays([pa.array([1])] * 2, names=["x", "x"])],
)
def test_a_column_that_python_cannot_hold_is_named(tmp_path: Path, values: pa.Array) -> None:
    columns = {"id": ["a"], "title": ["lamp"], "attributes": pa.StructArray.from_arrays([values], names=["since"])}
    with pytest.raises(ProductFileError, match=r"products\.parquet: column 'attributes' holds what cannot be read"):
        parquet(tmp_path, pa.table(columns)).check()


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.table([pa.array([text]) for text in ("a", "lamp", "desk")], names=["id", "title", "title"])
    with pytest.raises(ProductFileError, match=r"products\.parquet: columns \['title'\] are there more than once"):
        parquet(tmp_path, table).check()


def test_a_directory_and_a_file_that_may_not_be_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "q.parquet").mkdir()
    with pytest.raises(ProductFileError, match=r"q\.parquet is a directory, where one file is read"):
        ProductFile(tmp_path / "q.parquet")

    def closed(path: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "products.jsonl").touch()
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(ProductFileError, match=r"products\.jsonl cannot be read \(Permission denied\)"):
        ProductFile(tmp_path / "products.jsonl")
