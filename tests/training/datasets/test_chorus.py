from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from training.datasets.chorus import read_chorus
from training.errors import DataError

PRODUCTS = [
    {"id": "1", "title": "Acme L100 laptop", "supplier": "Acme", "attr_t_product_type": "Notebook", "price": 5},
    {"id": "2", "title": "Zed mouse", "attr_t_product_colour": "Black", "attr_t_product_type": "1"},
]


def write(folder: Path, ratings: str, raters: str | None = None, more: Sequence[Any] = ()) -> Path:
    with gzip.open(folder / "products.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(product) + "\n" for product in (*PRODUCTS, *more))
    (folder / "ratings.csv").write_text(ratings, encoding="utf-8")
    if raters is not None:
        (folder / "individual_ratings.csv").write_text(raters, encoding="utf-8")
    return folder


def test_the_published_layout_is_read(tmp_path: Path) -> None:
    raters = "query,docid,rater_1,rater_2,rater_3,final\nlaptop,1,3,2,,3\n"
    data = read_chorus(write(tmp_path, "query,docid,rating\nlaptop,1,3\nlaptop,2,1\n", raters))
    assert data.products["1"].brand == "Acme"
    assert data.products["1"].product_type == "Notebook"
    assert data.products["2"].product_type is None
    assert data.products["2"].color == "Black"
    # The raters' mean where they are known, the final rating elsewhere.
    assert [judgement.target for judgement in data.judgements] == pytest.approx([2.5 / 3, 1 / 3])


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ("query,docid,rating\nlaptop,1,3\nlaptop,9,1\n", r"ratings\.csv:3: product '9' is judged, but is no"),
        ("query,docid,rating\nlaptop,1,five\n", r"ratings\.csv:2: rating 'five'"),
        ("query,docid,rating\nlaptop,1,4\n", r"ratings\.csv:2: rating '4'"),
        ("query,docid,rating\nlaptop,1\n", r"ratings\.csv:2: the row has too few columns"),
        ("query,docid,rating\nlaptop,1,3,4\n", r"ratings\.csv:2: the row has too many columns"),
        ("query,docid,rating\nlaptop,1,nan\n", r"ratings\.csv:2: rating 'nan'"),
        ("query,docid,rating\n ,1,3\n", r"ratings\.csv:2: 'query' is missing"),
        ("query,docid,rating\nlaptop,1,3\nmouse,2,3\n", r"ratings\.csv: all 2 judged pairs have the target 1"),
        ("query,docid,rating\n", r"ratings\.csv has no judgements"),
        ("query,doc,rating\nlaptop,1,3\n", r"columns \['docid'\] are missing"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, ratings: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_chorus(write(tmp_path, ratings))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"products\.jsonl\.gz is not there"):
        read_chorus(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "1", "title": "another laptop"}, r"products\.jsonl\.gz:3: product id '1' occurs twice with different"),
        ({"id": "3", "title": "t", "supplier": 7}, r"products\.jsonl\.gz:3: brand: "),
        ({"id": "3"}, r"products\.jsonl\.gz:3: 'title' is missing .* '3' is judged in .*ratings\.csv:3"),
    ],
)
def test_a_bad_product_is_named_by_file_and_line(tmp_path: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_chorus(write(tmp_path, "query,docid,rating\nlaptop,1,3\nlaptop,3,1\n", more=[row]))


def test_products_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    for name in ("products.jsonl", "products.jsonl.gz"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"has both products\.jsonl and products\.jsonl\.gz"):
        read_chorus(tmp_path)
