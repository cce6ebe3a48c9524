"""WANDS (wayfair/WANDS, MIT; Chen et al., ECIR 2022): 233,448 graded pairs of 480 furniture queries, 42,994 products.

Layout: the repository's `dataset` folder, three tables separated by tabs, quoted as CSV, with a header each:
`query.csv` (query_id, query, query_class), `product.csv` (product_id, product_name, product_class, category hierarchy,
product_description, product_features, rating_count, average_rating, review_count) and `label.csv` (id, query_id,
product_id, label). The other columns are not read; classes, descriptions and features may be empty.

Grade table: Exact → 1, Partial → 0.5, Irrelevant → 0. The evenly spaced gains are those of the dataset's users; they
are also the three targets 0, 0.5, 1 that the paper folds its own levels to (arXiv 2505.07105). The published file has
one label a pair; a repeated one counts as another rater. The rules for faults are those of `assembly.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from training.datasets.assembly import JudgementTable, ProductTable
from training.datasets.rows import read_csv, require_text
from training.datasets.schema import Dataset
from training.errors import DataError

QUERIES, PRODUCTS, LABELS = "query.csv", "product.csv", "label.csv"
FILES = (QUERIES, PRODUCTS, LABELS)
TARGETS = {"Exact": 1.0, "Partial": 0.5, "Irrelevant": 0.0}
COLOR = "color"


def read_wands(directory: Path) -> Dataset:
    """Read the dataset; DataError names the file and line of anything that is wrong."""
    queries = _read_queries(directory / QUERIES)
    products = _read_products(directory / PRODUCTS)
    path = directory / LABELS
    table = JudgementTable(path, products)
    for line, row in read_csv(path, ("query_id", "product_id", "label"), "\t"):
        query_id = require_text(row, "query_id", path, line)
        if query_id not in queries:
            raise DataError(f"{path}:{line}: query_id {query_id!r} is no query of {QUERIES}")
        if row["label"] not in TARGETS:
            raise DataError(f"{path}:{line}: label {row['label']!r} is none of {', '.join(TARGETS)}")
        table.add(queries[query_id], require_text(row, "product_id", path, line), TARGETS[row["label"]], line)
    judgements = table.judgements()
    products.log_left_out()
    return Dataset("wands", products.by_id, judgements)


def _read_queries(path: Path) -> dict[str, str]:
    queries: dict[str, str] = {}
    for line, row in read_csv(path, ("query_id", "query"), "\t"):
        query_id, query = (require_text(row, name, path, line) for name in ("query_id", "query"))
        if queries.setdefault(query_id, query) != query:
            raise DataError(f"{path}:{line}: query_id {query_id!r} occurs twice, with different queries")
    return queries


def _read_products(path: Path) -> ProductTable:
    products = ProductTable(path)
    columns = ("product_id", "product_name", "product_class", "product_description", "product_features")
    for line, row in read_csv(path, columns, "\t"):
        attributes = product_features(row["product_features"])
        fields = {
            "id": require_text(row, "product_id", path, line),
            "title": row["product_name"].strip(),
            # A product can be in several classes: "A|B".
            "product_type": row["product_class"].strip().replace("|", ", ") or None,
            # Products have no colour column; this feature is what comes closest.
            "color": attributes.pop(COLOR, None),
            "description": row["product_description"].strip() or None,
            "attributes": attributes,
        }
        products.add(fields, line)
    return products


def product_features(text: str) -> dict[str, str]:
    """Attributes of "name : value|name:value"; a name's repeated and continued values are joined by commas.

    A part without a name (": gray") goes on with the value before it, which itself held a "|".
    """
    values: dict[str, dict[str, None]] = {}
    name = ""
    for given, value in _parts(text):
        name = given or name
        if name and value:
            # Interned: the same few thousand names come tens of times a product. A dict keeps a value once, in order.
            values.setdefault(sys.intern(name), {})[value] = None
    return {name: ", ".join(given) for name, given in values.items()}


def _parts(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split("|"):
        name, colon, value = part.partition(":")
        yield (name.strip(), value.strip()) if colon else ("", part.strip())
