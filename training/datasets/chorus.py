"""Chorus (querqy/chorus): human ratings 0-3 of electronics and office products, text by Icecat.

Layout: `ratings.csv` (query, docid, rating), optionally `individual_ratings.csv` (query, docid,
rater_1 … rater_3, final), `products.jsonl[.gz]` (id, title, supplier, short_description, attr_*).
Grade table: rating r → target r / 3; where the raters are known, their mean.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from relevance.product import Product
from training.datasets.rows import open_text, read_jsonl, require
from training.datasets.schema import Dataset, Judgement
from training.errors import DataError

HIGHEST_RATING = 3.0
RATERS = ("rater_1", "rater_2", "rater_3")
ATTRIBUTES = {
    "attr_t_type": "type",
    "attr_t_form_factor": "form factor",
    "attr_t_connectivity_technology": "connectivity",
    "attr_t_compatibility": "compatibility",
}
"""The attributes that tell a shopper's kinds of product apart; Chorus has hundreds more."""


def read_chorus(directory: Path) -> Dataset:
    """Read the dataset; DataError names the file and line of anything that is wrong."""
    products = {product.id or "": product for product in _products(directory)}
    by_raters = dict(_rater_means(directory / "individual_ratings.csv"))
    judgements = []
    for line, (query, docid, rating) in _ratings(directory / "ratings.csv"):
        if docid not in products:
            raise DataError(f"{directory / 'ratings.csv'}:{line}: docid {docid!r} is no product of the catalogue")
        judgements.append(Judgement(query, docid, by_raters.get((query, docid), rating / HIGHEST_RATING)))
    return Dataset("chorus", products, judgements)


def _products(directory: Path) -> Iterator[Product]:
    plain, packed = directory / "products.jsonl", directory / "products.jsonl.gz"
    path = plain if plain.exists() else packed
    for line, row in read_jsonl(path):
        yield Product(
            id=str(require(row, "id", path, line)),
            title=str(require(row, "title", path, line)),
            brand=row.get("supplier") or None,
            product_type=_product_type(row),
            color=row.get("attr_t_product_colour") or None,
            description=row.get("short_description") or None,
            attributes={name: str(row[key]) for key, name in ATTRIBUTES.items() if row.get(key)},
        )


def _product_type(row: dict[str, Any]) -> str | None:
    kind = row.get("attr_t_product_type")
    # "1" stands where the source lost the text of the type.
    return kind if kind and not str(kind).isdigit() else None


def _ratings(path: Path) -> Iterator[tuple[int, tuple[str, str, float]]]:
    for line, row in _csv_rows(path, ("query", "docid", "rating")):
        yield line, (row["query"], row["docid"], _rating(row["rating"], path, line))


def _rater_means(path: Path) -> Iterator[tuple[tuple[str, str], float]]:
    if not path.exists():
        return
    for line, row in _csv_rows(path, ("query", "docid", *RATERS)):
        given = [_rating(row[rater], path, line) for rater in RATERS if row[rater]]
        if given:
            yield (row["query"], row["docid"]), sum(given) / len(given) / HIGHEST_RATING


def _csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    with open_text(path) as file:
        reader = csv.DictReader(file)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{path}: columns {sorted(missing)} are missing, found {reader.fieldnames}")
        for row in reader:
            if any(row[column] is None for column in columns):
                raise DataError(f"{path}:{reader.line_num}: the row has too few columns")
            yield reader.line_num, row


def _rating(text: str, path: Path, line: int) -> float:
    try:
        rating = float(text)
    except ValueError:
        rating = -1.0
    if not 0.0 <= rating <= HIGHEST_RATING:
        raise DataError(f"{path}:{line}: rating {text!r} is not a number from 0 to {HIGHEST_RATING:g}")
    return rating
