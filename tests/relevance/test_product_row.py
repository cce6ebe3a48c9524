from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.product_row import TEXTS, product_content, product_fields, read_product
from relevance.row_values import RowError


def test_what_can_be_said_as_text_is_and_nested_attributes_become_flat() -> None:
    fields = product_fields(
        {
            "id": "a",
            "title": 1984,
            "brand": float("nan"),
            "color": ["red", "blue"],
            "product_type": "",
            "prior": None,
            "price": 3,
            "attributes": {
                "size": {"width": 3, "depth": None},
                "for": ["cats", "dogs"],
                "none": [],
                "washable": True,
                "no": "",
            },
        }
    )
    attributes = {"size width": 3, "for": "cats, dogs", "washable": True}
    assert fields == {"id": "a", "title": "1984", "color": "red, blue", "attributes": attributes}


@pytest.mark.parametrize(
    "given_attributes",
    [{"width": "3", "size": None}, [("width", "3")], [["width", "3"]], '{"width": "3"}', '[["width", "3"]]'],
)
def test_attributes_may_be_an_object_pairs_or_their_json(given_attributes: Any) -> None:
    assert product_fields({"id": "a", "attributes": given_attributes})["attributes"] == {"width": "3"}


def test_an_absent_value_clashes_with_none() -> None:
    assert product_fields({"id": "a", "attributes": [("a", None), ("a", "1")]})["attributes"] == {"a": "1"}


@pytest.mark.parametrize("absent", [None, "", " ", float("nan"), "null", {}, "{}"])
def test_no_attributes_are_none(absent: Any) -> None:
    assert not product_fields({"id": "a", "attributes": absent}).get("attributes")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"title": "t"}, "'id' is missing or empty; the row has 'title'"),
        ({"id": " "}, "'id' is missing or empty$"),
        ({"id": True}, "'id' must be text or a number, got True"),
        ({"id": float("inf")}, "'id' must be text or a number, got inf$"),
        ({"id": float("-inf")}, "'id' must be text or a number, got -inf$"),
        (
            {"id": Decimal("0.5")},
            r"or a whole number, got Decimal\('0\.5'\); cast the column to text$",
        ),
        ({"id": ["x" * 600_000]}, "^'id' must be text or a number, got .{,125}…$"),
        ({"x" * 600_000: 1, "title": "t"}, "^'id' is missing or empty; the row has 'x{,400}…$"),
        ({"id": "a", "attributes": "red"}, "attributes must be an object of names and values, got 'red'"),
        ({"id": "a", "attributes": "[1]"}, "attributes must be an object"),
        ({"id": "a", "attributes": {"a": {"b c": 1}, "a b": {"c": 2}}}, "attributes name 'a b c' twice"),
        ({"id": "a", "attributes": [("a", "1"), ("a", "2")]}, "attributes name 'a' twice, .*; keep one of them$"),
        ({"id": "a", "attributes": [["a", "1"], [" a ", "1"]]}, "attributes name 'a' twice"),
        ({"id": "a", "attributes": '[["a", 1], ["a", 2]]'}, "attributes name 'a' twice"),
    ],
)
def test_what_can_not_be_said_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        product_fields(row)


@pytest.mark.parametrize("product_id", [7, "7", 7.0, " 7 ", Decimal(7), Decimal("7.00")])
def test_an_id_is_its_shortest_text(product_id: Any) -> None:
    assert product_fields({"id": product_id}) == {"id": "7"}


def test_an_id_of_a_warehouse_keeps_all_its_digits() -> None:
    digits = "9" * 38
    assert product_fields({"id": Decimal(digits)}) == {"id": digits}


@given(st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=3)))
def test_attributes_and_their_json_are_the_same(attributes: dict[str, Any]) -> None:
    def read(value: Any) -> Any:
        try:
            return product_fields({"id": "a", "attributes": value}).get("attributes")
        except RowError:
            return "refused"

    assert read(json.dumps(attributes)) == read(attributes)


@given(st.dictionaries(st.sampled_from(sorted(TEXTS)), st.text()), st.text(min_size=1).filter(str.strip))
def test_a_row_of_text_alone_reads_as_any_other(texts: dict[str, str], key: str) -> None:
    row = {"id": key, **texts}
    # A field that is no text takes the longer way.
    assert product_fields(row) == {
        name: v for name, v in product_fields({**row, "prior": 1}).items() if name != "prior"
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": {"en": "t"}}, r"^title: Input should be a valid string, got \{'en': 't'\}$"),
        (
            {"title": "t", "attributes": {"a.b": [{"w": 1}]}},
            r"^attributes\.a\.b: must be text, .*, got \[\{'w': 1\}\]$",
        ),
        (
            {"title": "t", "attributes": {"a": float("inf")}},
            r"^attributes\.a: must be text, a finite number, .* got inf$",
        ),
        ({"title": ["x" * 5000, {}]}, r"^title: .{,200}…$"),
    ],
)
def test_a_field_that_is_none_of_a_product_is_named_in_short(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        read_product(fields)


def test_a_rows_prior_is_not_read() -> None:
    assert product_fields({"id": "a", "title": "t", "prior": "n/a"}) == {"id": "a", "title": "t"}


def test_what_a_model_reads_otherwise_is_another_content() -> None:
    given = ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1.0, "b": 2}, {"a": True, "b": 2}, {"a": "1", "b": 2})
    contents = [product_content(read_product({"title": "t", "attributes": attributes})) for attributes in given]
    assert len(set(contents)) == len(given)
    assert product_content(read_product({"attributes": dict(given[0]), "title": "t"})) == contents[0]
