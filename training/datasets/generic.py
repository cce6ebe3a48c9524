"""The generic layout that anybody's judgements can be put into, as JSONL or Parquet.

A directory with `judgements` (query, product_id, grade, raters?), `products` (the fields of Product; id required, and
title of every judged one), optionally `queries` (query, weight?) and `grades.json` (grade → target in [0, 1]). Other
columns are not read, and the log names them, as it does files of these names in another form. `raters` is a list of
grades and goes before `grade`: their mean target counts, as the mean does for repeated judgements of one pair (each row
counting once). Without `grades.json`, numeric grades map linearly from the range seen to [0, 1]. Ids may be text or
numbers, 7 and "7" being the same. The rules for faults are those of `assembly.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal

from relevance.product_row import KNOWN, product_fields
from training.datasets.assembly import JudgementTable, ProductTable
from training.datasets.grades import Row, TargetOf, grade_table, linear_table, row_target
from training.datasets.parquet import parquet_rows
from training.datasets.query_log import logged_query
from training.datasets.rows import read_jsonl, readable, require_text, rows_named
from training.datasets.schema import Dataset, Judgement, LoggedQuery
from training.errors import DataError

Layout = Literal["jsonl", "parquet"]

log = logging.getLogger(__name__)

ENDINGS: dict[Layout, tuple[str, ...]] = {"jsonl": (".jsonl", ".jsonl.gz"), "parquet": (".parquet",)}
GRADES = "grades.json"


def files_of(layout: Layout) -> tuple[str, ...]:
    """The names of all files that a dataset may be read from."""
    return (
        *(f"{name}{ending}" for name in ("judgements", "products", "queries") for ending in ENDINGS[layout]),
        GRADES,
    )


def read_generic(directory: Path, layout: Layout) -> Dataset:
    """Read the dataset; DataError names the file and line (or row, from 1) of anything that is wrong."""
    products = _read_products(_find(directory, "products", layout), layout)
    path = _find(directory, "judgements", layout)
    rows = list(_rows(path, layout, {"query", "product_id", "grade", "raters"}))
    target_of = grade_table(directory / GRADES) or linear_table(rows, path)
    judgements = _read_judgements(rows, path, products, target_of)
    products.log_left_out()
    return Dataset(directory.name, products.by_id, judgements, tuple(_read_queries(directory, layout)))


def _read_products(path: Path, layout: Layout) -> ProductTable:
    products = ProductTable(path)
    for line, row in _rows(path, layout, KNOWN):
        with rows_named(path, line):
            fields = product_fields(row)
        products.add(fields, line)
    if not products.by_id:
        raise DataError(f"{path} has no products" + (" with a title" if products.untitled else ""))
    return products


def _read_judgements(rows: list[Row], path: Path, products: ProductTable, target_of: TargetOf) -> list[Judgement]:
    table = JudgementTable(path, products)
    for line, row in rows:
        query = require_text(row, "query", path, line)
        product_id = require_text(row, "product_id", path, line)
        table.add(query, product_id, row_target(row, path, line, target_of), line)
    return table.judgements()


def _read_queries(directory: Path, layout: Layout) -> Iterator[LoggedQuery]:
    path = _locate(directory, "queries", layout)
    if path is None:
        return
    for line, row in _rows(path, layout, {"query", "weight"}):
        yield logged_query(row, path, line)


def _rows(path: Path, layout: Layout, known: Collection[str]) -> Iterator[Row]:
    """The table's rows; columns beyond the `known` ones are named in the log at the end."""
    unread: dict[str, None] = {}
    for line, row in read_jsonl(path) if layout == "jsonl" else parquet_rows(path, known):
        unread.update(dict.fromkeys(key for key in row if key not in known))
        yield line, row
    if unread:
        log.warning("%s: columns that mean nothing here are not read: %s", path, ", ".join(sorted(unread)))


def _locate(directory: Path, name: str, layout: Layout) -> Path | None:
    """The file of that name, None if there is none; a warning names others that could be taken for it."""
    with readable(directory):
        alike = sorted(path for path in directory.iterdir() if path.name.partition(".")[0] == name)
    found = [path for path in alike if path.name in {f"{name}{ending}" for ending in ENDINGS[layout]}]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{directory} has both {names}; only one of them is read: take the other away")
    if others := [path.name for path in alike if path not in found]:
        hint = "; a log in another form is given as --query-log" if name == "queries" else ""
        log.warning("%s: not read, as the layout is %s: %s%s", directory, layout, ", ".join(others), hint)
    return found[0] if found else None


def _find(directory: Path, name: str, layout: Layout) -> Path:
    path = _locate(directory, name, layout)
    if path is None:
        found = ", ".join(sorted(entry.name for entry in directory.iterdir())) or "nothing"
        raise DataError(
            f"{directory} has no {name}.{layout}; a dataset needs 'judgements' and 'products'; there is {found}"
        )
    return path
