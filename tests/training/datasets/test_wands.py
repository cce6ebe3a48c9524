from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tests.training.datasets.wands_files import LABELS, PRODUCTS, QUERIES, write_wands
from training.datasets.wands import product_features, read_wands
from training.errors import DataError
from training.splits import split_by_query


def test_the_published_layout_is_read(tmp_path: Path) -> None:
    data = read_wands(write_wands(tmp_path))
    assert [(j.query, j.product_id, j.target) for j in data.judgements] == [
        ("garden gnome", "3", 1.0),
        ("garden gnome", "11", 0.0),
        ('shelf 30" wide', "11", 0.5),
        ("lone stool", "12", 1.0),
    ]
    gnome = data.products["3"]
    assert gnome.title == "fishing gnome"
    assert gnome.product_type == "Garden Statues, Outdoor Decor"
    assert gnome.description == 'he said "hi",\tand sat\ndown'
    assert gnome.color == "red, white"
    assert gnome.attributes == {"material": "resin", "height": "12.5"}
    shelf = data.products["11"]
    assert (shelf.title, shelf.product_type, shelf.description, shelf.attributes) == ("30'' oak shelf", None, None, {})


def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path: Path) -> None:
    plain = read_wands(write_wands(tmp_path, products=PRODUCTS.replace("sat\ndown", "sat down")))
    windows = (
        "\ufeff" + text.replace("sat\ndown", "sat down").replace("\n", "\r\n") for text in (QUERIES, PRODUCTS, LABELS)
    )
    assert read_wands(write_wands(tmp_path, *windows)) == plain


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("", {}),
        ("a : 1|b:2", {"a": "1", "b": "2"}),
        ("a : 1|a : 2|a : 1", {"a": "1, 2"}),
        ("legs : steel| : gray wood|seat : oak", {"legs": "steel, gray wood", "seat": "oak"}),
        ("size : king|queen", {"size": "king, queen"}),
        ("ratio : 16:9", {"ratio": "16:9"}),
        (" : lost|a : ", {}),
    ],
)
def test_features_become_attributes(text: str, attributes: dict[str, str]) -> None:
    assert product_features(text) == attributes


def test_a_repeated_label_counts_as_another_rater(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        data = read_wands(write_wands(tmp_path, labels=LABELS + "4\t0\t3\tPartial\n5\t9\t12\tExact\n"))
    assert [judgement.target for judgement in data.judgements] == [0.75, 0.0, 0.5, 1.0]
    assert "label.csv: judgements that repeat a pair are averaged into it: 2" in caplog.text


def test_it_goes_through_to_a_split(tmp_path: Path) -> None:
    split = split_by_query(read_wands(write_wands(tmp_path)), 0.3, 0)
    assert len(split.train.by_query()) == 2
    assert len(split.held_out.by_query()) == 1


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("labels", "3\tExact", "3\texact", r"label\.csv:2: label 'exact' is none of Exact, Partial, Irrelevant"),
        ("labels", "3\tExact", "3\t", r"label\.csv:2: label '' is none of"),
        ("labels", "3\tExact", "3", r"label\.csv:2: the row has too few columns"),
        ("labels", "3\tExact", "3\tExact\t", r"label\.csv:2: the row has too many columns"),
        ("labels", "0\t0\t3", "0\t1\t3", r"label\.csv:2: query_id '1' is no query of query\.csv"),
        ("labels", "0\t3\t", "0\t4\t", r"label\.csv:2: product '4' is judged, but is no product of product\.csv"),
        ("labels", "id\tquery_id", "id\tquery", r"label\.csv: columns \['query_id'\] are missing"),
        ("labels", LABELS, "id\tquery_id\tproduct_id\tlabel\n", r"label\.csv has no judgements"),
        ("labels", LABELS, "", r"label\.csv: columns .* are missing"),
        ("queries", "garden gnome", "", r"query\.csv:2: 'query' is missing"),
        ("queries", "9\tlone", "7\tlone", r"query\.csv:4: query_id '7' occurs twice"),
        ("queries", "\t", ",", r"query\.csv: columns .* are missing"),
        ("products", "fishing gnome", " ", r"product\.csv:3: 'title' is missing .* '3' is judged in .*label\.csv:2"),
        ("products", "\n12\t", "\n3\t", r"product\.csv:5: product id '3' occurs twice with different content, .*csv:3"),
        ("products", "three legs", "three\tlegs", r"product\.csv:5: the row has too many columns"),
        ("products", "product_class", "class", r"product\.csv: columns \['product_class'\]"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, old: str, new: str, message: str) -> None:
    text = {"queries": QUERIES, "products": PRODUCTS, "labels": LABELS}[name].replace(old, new)
    write_wands(tmp_path, **{name: text})
    with pytest.raises(DataError, match=message):
        read_wands(tmp_path)


def test_labels_that_are_all_alike_teach_nothing(tmp_path: Path) -> None:
    alike = LABELS.replace("Irrelevant", "Exact").replace("Partial", "Exact")
    with pytest.raises(
        DataError, match=r"label\.csv: all 4 judged pairs have the target 1, so there is nothing to learn"
    ):
        read_wands(write_wands(tmp_path, labels=alike))


@pytest.mark.parametrize("name", ["query", "product", "label"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    (write_wands(tmp_path) / f"{name}.csv").unlink()
    with pytest.raises(DataError, match=rf"{name}\.csv is not there"):
        read_wands(tmp_path)


def test_an_endless_quote_is_an_error_and_not_one_long_field(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"query\.csv:\d+: "):
        read_wands(
            write_wands(tmp_path, queries='query_id\tquery\tquery_class\n0\t"gnome\tStatues\n' + "1\tx\ty\n" * 40_000)
        )


def test_a_quote_that_is_not_closed_is_named_where_its_row_begins(tmp_path: Path) -> None:
    rows = "".join(f"{n}\tshelf {n}\tWide\n" for n in range(20, 30))
    text = f'query_id\tquery\tquery_class\n\n1\t"shelf 30 wide\tWide\n{rows}2\tshelf 30"\n'
    write_wands(tmp_path, text)
    with pytest.raises(DataError, match=r"query\.csv:3: the row has too few columns; a quote .*before line 14"):
        read_wands(tmp_path)


def test_a_column_that_is_there_twice_is_named(tmp_path: Path) -> None:
    write_wands(tmp_path, QUERIES.replace("query_class", "query"))
    with pytest.raises(DataError, match=r"query\.csv: columns \['query'\] are there more than once"):
        read_wands(tmp_path)
