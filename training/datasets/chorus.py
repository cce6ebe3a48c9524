"""Chorus (querqy/chorus): human ratings 0-3 of electronics and office products, text by Icecat.

Layout: `ratings.csv` (query, docid, rating), optionally `individual_ratings.csv` (query, docid,
rater_1 … rater_3, final), `products.jsonl[.gz]` (id, title, supplier, short_description, attr_*).
Grade table: rating r → target r / 3; where the raters are known, their mean. The rules for faults are those of
`assembly.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from training.datasets.assembly import JudgementTable, ProductTable, mean_target
from training.datasets.rows import read_csv, read_jsonl, require_text
from training.datasets.schema import Dataset
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


RATINGS, RATINGS_OF_EACH = "ratings.csv", "individual_ratings.csv"
PRODUCTS = ("products.jsonl", "products.jsonl.gz")
FILES = (RATINGS, RATINGS_OF_EACH, *PRODUCTS)
"""The names of all files that are read."""


def read_chorus(directory: Path) -> Dataset:
    """Read the dataset; DataError names the file and line of anything that is wrong."""
    products = _read_products(directory)
    by_raters = dict(_rater_means(directory / RATINGS_OF_EACH))
    path = directory / RATINGS
    table = JudgementTable(path, products)
    for line, row in read_csv(path, ("query", "docid", "rating")):
        query, docid = (require_text(row, name, path, line) for name in ("query", "docid"))
        final = _rating(row["rating"], path, line) / HIGHEST_RATING
        table.add(query, docid, by_raters.get((query, docid), final), line)
    judgements = table.judgements()
    products.log_left_out()
    return Dataset("chorus", products.by_id, judgements)


def _read_products(directory: Path) -> ProductTable:
    plain, packed = (directory / name for name in PRODUCTS)
    if plain.exists() and packed.exists():
        raise DataError(f"{directory} has both {plain.name} and {packed.name}; only one is read: take the other away")
    path = plain if plain.exists() else packed
    products = ProductTable(path)
    for line, row in read_jsonl(path):
        fields = {
            "id": require_text(row, "id", path, line),
            "title": row.get("title"),
            "brand": row.get("supplier") or None,
            "product_type": _product_type(row),
            "color": row.get("attr_t_product_colour") or None,
            "description": row.get("short_description") or None,
            "attributes": {name: str(row[key]) for key, name in ATTRIBUTES.items() if row.get(key)},
        }
        products.add(fields, line)
    return products


def _product_type(row: dict[str, Any]) -> str | None:
    kind = row.get("attr_t_product_type")
    # "1" stands where the source lost the text of the type.
    return kind if kind and not str(kind).isdigit() else None


def _rater_means(path: Path) -> Iterator[tuple[tuple[str, str], float]]:
    if not path.exists():
        return
    for line, row in read_csv(path, ("query", "docid", *RATERS)):
        given = [_rating(row[rater], path, line) for rater in RATERS if row[rater]]
        if given:
            yield (row["query"].strip(), row["docid"].strip()), mean_target(given) / HIGHEST_RATING


def _rating(text: str, path: Path, line: int) -> float:
    try:
        rating = float(text)
    except ValueError:
        rating = -1.0
    if not 0.0 <= rating <= HIGHEST_RATING:
        raise DataError(f"{path}:{line}: rating {text!r} is not a number from 0 to {HIGHEST_RATING:g}")
    return rating
