from __future__ import annotations

from pathlib import Path

from tests.training.datasets.generic_files import JUDGEMENTS, PRODUCTS, targets, write_jsonl
from training.datasets.generic import read_generic


def test_what_can_be_said_as_text_is_and_nested_attributes_become_flat(tmp_path: Path) -> None:
    product = {
        "id": "a",
        "title": 1984,
        "brand": float("nan"),
        "color": ["red", "blue"],
        "product_type": "",
        "prior": None,
        "attributes": {
            "size": {"width": 3, "depth": None},
            "for": ["cats", "dogs"],
            "none": [],
            "washable": True,
            "no": "",
        },
    }
    write_jsonl(tmp_path, {"products": [product, PRODUCTS[1]], "judgements": JUDGEMENTS})
    read = read_generic(tmp_path, "jsonl").products["a"]
    assert (read.title, read.brand, read.color, read.product_type) == ("1984", None, "red, blue", None)
    assert read.attributes == {"size width": 3, "for": "cats, dogs", "washable": True}


def test_attributes_that_only_other_products_have_are_absent(tmp_path: Path) -> None:
    products = [{"id": "a", "title": "t", "attributes": {"width": "3", "size": None}}, {"id": "2", "title": "u"}]
    write_jsonl(tmp_path, {"products": products, "judgements": JUDGEMENTS})
    assert read_generic(tmp_path, "jsonl").products["a"].attributes == {"width": "3"}


def test_ids_are_the_same_as_text_as_integers_and_as_a_table_tools_floats(tmp_path: Path) -> None:
    judgements = [{"query": "shelf", "product_id": key, "grade": 1} for key in (2, "2", 2.0, " 2 ")]
    write_jsonl(
        tmp_path, {"products": PRODUCTS, "judgements": [*judgements, {"query": "x", "product_id": "a", "grade": 0}]}
    )
    assert targets(tmp_path) == {("shelf", "2"): 1.0, ("x", "a"): 0.0}
