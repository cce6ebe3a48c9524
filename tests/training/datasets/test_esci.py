from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.training.datasets.esci_files import (
    EXAMPLES_MADE,
    PRODUCT_SCHEMA,
    PRODUCTS_MADE,
    example,
    product,
    write_esci,
)
from training.datasets import parquet
from training.datasets.esci import EXAMPLES, PRODUCTS, EsciOptions, esci_options, read_esci
from training.errors import ConfigError, DataError
from training.splits import split_by_query

US = EsciOptions()


def pairs(data: Any) -> list[tuple[str, str, float]]:
    return [(j.query, j.product_id, j.target) for j in data.judgements]


def test_the_small_us_part_is_read_with_its_own_split(tmp_path: Path) -> None:
    data = read_esci(write_esci(tmp_path), US)
    assert pairs(data) == [
        ("steel kettle", "K1", 1.0),
        ("steel kettle", "T1", 0.5),
        ("steel kettle", "C1", 0.0),
        ("red rug", "T1", 0.0),
        ("red rug", "R1", 1.0),
        ("rugs red", "R1", 1.0),
    ]
    assert data.held_out_queries == {"red rug"}
    assert sorted(data.products) == ["C1", "K1", "R1", "T1"]


def test_texts_are_mapped_and_absent_ones_stay_absent(tmp_path: Path) -> None:
    products = read_esci(write_esci(tmp_path), US).products
    kettle = products["K1"]
    assert (kettle.title, kettle.brand, kettle.color) == ("Kettle one", "Acme", "Steel")
    assert kettle.description == "Boils & pours. 2 l Fast Quiet"
    assert products["T1"].description == "Glass"
    cup = products["C1"]
    assert (cup.brand, cup.color, cup.description) == (None, None, None)


def test_a_product_is_known_by_id_and_locale(tmp_path: Path) -> None:
    data = read_esci(write_esci(tmp_path), EsciOptions(locale="es"))
    assert {key: value.title for key, value in data.products.items()} == {"K1": "Hervidor uno", "R1": "Alfombra"}
    assert data.held_out_queries == {"tetera roja"}


def test_the_large_version_has_the_easy_queries_too(tmp_path: Path) -> None:
    assert ("cheap cup", "C1", 1.0) in pairs(read_esci(write_esci(tmp_path), EsciOptions(version="large")))


@pytest.mark.parametrize("dtype", [pa.bool_(), pa.int8(), pa.float64()])
def test_the_versions_flags_may_be_of_any_type(tmp_path: Path, dtype: pa.DataType) -> None:
    table = pq.read_table(write_esci(tmp_path) / EXAMPLES)
    flags = table["small_version"].cast(dtype)
    table = table.set_column(table.schema.get_field_index("small_version"), "small_version", flags)
    pq.write_table(table, tmp_path / EXAMPLES)
    assert len(read_esci(tmp_path, US).judgements) == 6


def test_test_queries_are_held_out_and_their_near_duplicates_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        split = split_by_query(read_esci(write_esci(tmp_path), US), 0.5, 0)
    assert (list(split.train.by_query()), list(split.held_out.by_query())) == (["steel kettle"], ["red rug"])
    assert split.official
    assert "near-duplicates of held-out ones: 1" in caplog.text


def test_a_random_split_can_be_chosen(tmp_path: Path) -> None:
    data = read_esci(write_esci(tmp_path), EsciOptions(split="random"))
    assert data.held_out_queries is None
    assert not split_by_query(data, 0.5, 0).official


def test_a_query_of_both_splits_is_a_test_query_with_its_test_pairs_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = read_esci(write_esci(tmp_path, [*EXAMPLES_MADE, example(9, "red rug", "K1", "E")]), US)
    assert ("red rug", "K1", 1.0) not in pairs(data)
    assert "train examples of a query that is a test query too are left out: 1" in caplog.text
    everything = read_esci(tmp_path, EsciOptions(split="random"))
    assert ("red rug", "K1", 1.0) in pairs(everything)


def test_a_repeated_pair_is_averaged(tmp_path: Path) -> None:
    data = read_esci(write_esci(tmp_path, [*EXAMPLES_MADE, example(9, " steel kettle", "K1", "S")]), US)
    assert ("steel kettle", "K1", 0.75) in pairs(data)


def test_a_judged_product_without_a_title_is_left_out_with_its_judgements(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nameless = [row if row["product_id"] != "T1" else product("T1", None) for row in PRODUCTS_MADE]
    data = read_esci(write_esci(tmp_path, products=nameless), US)
    assert len(data.judgements) == 4
    assert "T1" not in data.products
    assert "examples whose product has no title are left out: 2" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (example(9, "q", "K1", "X"), r"examples\.parquet: example_id 9: esci_label 'X' is none of E, S, C, I"),
        (example(9, "q", "K1", "Exact"), r"example_id 9: esci_label 'Exact' is none of"),
        (example(9, "q", "K1", None), r"example_id 9: esci_label None is none of"),  # type: ignore[arg-type]
        (example(9, "q", "K1", "E", "dev"), r"example_id 9: split 'dev' is none of train, test"),
        (example(9, None, "K1", "E"), r"example_id 9: query None is missing or empty"),
        (example(9, "  ", "K1", "E"), r"example_id 9: query '  ' is missing or empty"),
        (example(9, "q", "ZZ", "E"), r"examples\.parquet: product 'ZZ' is judged, but is no product of .*products"),
    ],
)
def test_a_bad_example_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_esci(write_esci(tmp_path, [*EXAMPLES_MADE, row]), US)


def test_a_bad_example_of_another_locale_is_not_read(tmp_path: Path) -> None:
    bad = example(9, "q", "K1", "X", product_locale="jp")
    assert len(read_esci(write_esci(tmp_path, [*EXAMPLES_MADE, bad]), US).judgements) == 6


def test_a_product_given_twice_is_refused_only_if_the_rows_differ(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read_esci(write_esci(tmp_path, products=[*PRODUCTS_MADE, PRODUCTS_MADE[0]]), US)
    assert "repeat a product word for word are left out: 1" in caplog.text
    with pytest.raises(DataError, match=r"products\.parquet: product id 'K1' occurs twice with different content"):
        read_esci(write_esci(tmp_path, products=[*PRODUCTS_MADE, product("K1", "Kettle two")]), US)


def test_a_part_without_examples_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no examples of locale 'jp' in the small version"):
        read_esci(write_esci(tmp_path), EsciOptions(locale="jp"))


def test_labels_that_are_all_alike_teach_nothing(tmp_path: Path) -> None:
    alike = [{**row, "esci_label": "E"} for row in EXAMPLES_MADE]
    with pytest.raises(DataError, match=r"all 6 judged pairs have the target 1"):
        read_esci(write_esci(tmp_path, alike), US)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    table = pq.read_table(write_esci(tmp_path) / EXAMPLES).drop_columns(["split"])
    pq.write_table(table, tmp_path / EXAMPLES)
    with pytest.raises(DataError, match=r"columns \['split'\] are missing, found"):
        read_esci(tmp_path, US)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"products\.parquet is not there"),
        (b"", r"products\.parquet cannot be read as Parquet"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", r"Git LFS pointer.*git lfs pull"),
    ],
)
def test_a_file_that_is_no_table_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    (write_esci(tmp_path) / PRODUCTS).unlink()
    if content is not None:
        (tmp_path / PRODUCTS).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_esci(tmp_path, US)


def test_options_are_read() -> None:
    assert esci_options("") == EsciOptions("us", "small", "official")
    assert esci_options("locale=jp&version=large&split=random") == EsciOptions("jp", "large", "random")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("locale=uk", r"esci's locale is 'uk'; it must be one of us, es, jp"),
        ("size=small", r"esci has no option 'size', only locale, version, split"),
        ("locale", "must be name=value"),
        ("locale=us&locale=es", "name an option twice"),
    ],
)
def test_a_bad_option_is_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        esci_options(text)


@pytest.mark.parametrize("text", [pa.dictionary(pa.int8(), pa.string()), pa.large_string()])
def test_text_columns_may_be_categories_or_long(tmp_path: Path, text: pa.DataType) -> None:
    plain = read_esci(write_esci(tmp_path), US)
    for name in (EXAMPLES, PRODUCTS):
        table = pq.read_table(tmp_path / name)
        types = [field.with_type(text) if pa.types.is_string(field.type) else field for field in table.schema]
        pq.write_table(table.cast(pa.schema(types)), tmp_path / name)
    assert read_esci(tmp_path, US) == plain


def retyped(folder: Path, name: str, **columns: Any) -> Path:
    table = pq.read_table(folder / name)
    for column, values in columns.items():
        table = table.set_column(table.schema.get_field_index(column), column, values(table[column].to_pylist()))
    pq.write_table(table, folder / name)
    return folder


@pytest.mark.parametrize("dtype", [pa.int64(), pa.float64()])
def test_numbers_are_the_texts_of_ids_queries_and_titles(tmp_path: Path, dtype: pa.DataType) -> None:
    examples = [example(n, str(n), "4006381333931", label) for n, label in ((7, "E"), (8, "I"))]
    made = [product("4006381333931", "1984", product_brand="3"), product("2", "Cup")]
    write_esci(tmp_path, examples, made)

    def numbers(texts: list[str | None]) -> pa.Array:
        return pa.array([text and int(text) for text in texts], dtype)

    retyped(tmp_path, EXAMPLES, query=numbers, product_id=numbers)
    retyped(tmp_path, PRODUCTS, product_id=numbers, product_brand=numbers, product_title=lambda texts: pa.array([1, 2]))
    data = read_esci(tmp_path, US)
    assert pairs(data) == [("7", "4006381333931", 1.0), ("8", "4006381333931", 0.0)]
    kettle = data.products["4006381333931"]
    assert (kettle.title, kettle.brand) == ("1", "3")


def test_a_column_of_empty_cells_alone_is_absent(tmp_path: Path) -> None:
    retyped(write_esci(tmp_path), PRODUCTS, product_brand=lambda texts: pa.array([float("nan")] * len(texts)))
    assert read_esci(tmp_path, US).products["K1"].brand is None


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("esci_label", pa.array([3] * 9), r"example_id 0: esci_label '3' is none of E, S, C, I"),
        ("esci_label", pa.nulls(9), r"example_id 0: esci_label None is none of E, S, C, I"),
        ("split", pa.nulls(9), r"example_id 0: split None is none of train, test"),
        ("query", pa.array([[1]] * 9), r"examples\.parquet: column 'query' is of type list<.*>; it must hold text"),
        ("query", pa.array([True] * 9), r"examples\.parquet: column 'query' is of type bool; it must hold text"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path: Path, column: str, values: pa.Array, message: str) -> None:
    retyped(write_esci(tmp_path), EXAMPLES, **{column: lambda _: values})
    with pytest.raises(DataError, match=message):
        read_esci(tmp_path, US)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    table = pq.read_table(write_esci(tmp_path) / EXAMPLES)
    pq.write_table(table.append_column("query", table["query"]), tmp_path / EXAMPLES)
    with pytest.raises(DataError, match=r"examples\.parquet: columns \['query'\] are there more than once"):
        read_esci(tmp_path, US)


def test_no_whole_row_group_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of ESCI's products is a million rows of long texts, most of them of no interest."""
    monkeypatch.setattr(parquet, "SCANNED_AT_ONCE", 1000)
    text = "x" * 1000
    rows = [product(f"P{number}", "title", product_description=f"{number} {text}") for number in range(30_000)]
    pq.write_table(pa.Table.from_pylist(rows, PRODUCT_SCHEMA), tmp_path / PRODUCTS)
    names = ["product_id", "product_description", "product_locale"]
    before, most = pa.total_allocated_bytes(), 0
    for _ in parquet.scan_parquet(tmp_path / PRODUCTS, names, lambda column: column["product_locale"] == "us"):
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 10_000 * len(text)
