"""The generic layout that anybody's judgements can be put into, as JSONL or Parquet.

A directory with `judgements` (query, product_id, grade, raters?), `products` (the fields of Product;
id and title required), optionally `queries` (query, weight?) and `grades.json` (grade → target in
[0, 1]). `raters` is a list of grades: their mean target counts, as it does for repeated judgements of
one pair. Without `grades.json`, numeric grades map linearly from the range seen to [0, 1].
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from relevance.product import Product
from training.datasets.rows import read_jsonl, require
from training.datasets.schema import Dataset, Judgement, LoggedQuery
from training.errors import DataError

Layout = Literal["jsonl", "parquet"]
Row = tuple[int, dict[str, Any]]

log = logging.getLogger(__name__)


def read_generic(directory: Path, layout: Layout) -> Dataset:
    """Read the dataset; DataError names the file and line (or row, from 1) of anything that is wrong."""
    products = _read_products(_find(directory, "products", layout), layout)
    path = _find(directory, "judgements", layout)
    rows = list(_rows(path, layout))
    target_of = _grade_table(directory / "grades.json") or _linear_table(rows, path)
    judgements = _read_judgements(rows, path, products, target_of)
    return Dataset(directory.name, products, judgements, tuple(_read_queries(directory, layout)))


def _read_products(path: Path, layout: Layout) -> dict[str, Product]:
    products: dict[str, Product] = {}
    ignored: set[str] = set()
    for line, row in _rows(path, layout):
        require(row, "id", path, line)
        require(row, "title", path, line)
        ignored |= row.keys() - Product.model_fields.keys()
        product = _product(row, path, line)
        if product.id in products:
            raise DataError(f"{path}:{line}: product id {product.id!r} occurs twice")
        products[product.id or ""] = product
    if ignored:
        log.warning("%s: columns that Product does not have are not read: %s", path, ", ".join(sorted(ignored)))
    return products


def _product(row: Mapping[str, Any], path: Path, line: int) -> Product:
    known = {key: value for key, value in row.items() if key in Product.model_fields and value is not None}
    known["id"] = str(known["id"])
    if isinstance(known.get("attributes"), list):  # Parquet's map type comes as a list of pairs
        known["attributes"] = dict(known["attributes"])
    if isinstance(known.get("attributes"), dict):
        known["attributes"] = {name: value for name, value in known["attributes"].items() if value is not None}
    try:
        return Product.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{path}:{line}: {field}: {first['msg']}") from error


def _read_judgements(
    rows: list[Row], path: Path, products: Mapping[str, Product], target_of: Callable[[Any, str], float]
) -> list[Judgement]:
    targets: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line, row in rows:
        query = str(require(row, "query", path, line))
        product_id = str(require(row, "product_id", path, line))
        if product_id not in products:
            raise DataError(f"{path}:{line}: product_id {product_id!r} is no product of the catalogue")
        targets[query, product_id].append(_target(row, path, line, target_of))
    return [Judgement(query, product, sum(given) / len(given)) for (query, product), given in targets.items()]


def _target(row: Mapping[str, Any], path: Path, line: int, target_of: Callable[[Any, str], float]) -> float:
    where = f"{path}:{line}"
    given = [target_of(grade, where) for grade in _grades(row, path, line)]
    return sum(given) / len(given)


def _grades(row: Mapping[str, Any], path: Path, line: int) -> list[Any]:
    raters = row.get("raters")
    if raters is None:
        return [require(row, "grade", path, line)]
    if not isinstance(raters, list) or not raters:
        raise DataError(f"{path}:{line}: 'raters' must be a non-empty list of grades, got {raters!r}")
    return raters


def _grade_table(path: Path) -> Callable[[Any, str], float] | None:
    if not path.exists():
        return None
    try:
        table = {str(grade): float(target) for grade, target in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} must be a JSON object from grade to a number in [0, 1]: {error}") from error
    outside = [grade for grade, target in table.items() if not 0.0 <= target <= 1.0]
    if outside:
        raise DataError(f"{path}: the targets of {outside} are outside [0, 1]")

    def target_of(grade: Any, where: str) -> float:
        key = f"{grade:g}" if isinstance(grade, float) else str(grade)
        if key not in table:
            raise DataError(f"{where}: grade {grade!r} is not in {path.name}, which knows {sorted(table)}")
        return table[key]

    return target_of


def _linear_table(rows: list[Row], path: Path) -> Callable[[Any, str], float]:
    grades = [_number(grade, f"{path}:{line}") for line, row in rows for grade in _grades(row, path, line)]
    if not grades:
        raise DataError(f"{path} has no judgements")
    low, high = min(grades), max(grades)
    if low == high:
        raise DataError(f"{path}: all grades are {low:g}, so there is nothing to learn; check the file")
    log.warning("%s: no grades.json beside it, so grades map linearly from [%g, %g] to [0, 1]", path, low, high)
    return lambda grade, where: (_number(grade, where) - low) / (high - low)


def _number(grade: Any, where: str) -> float:
    try:
        number = float(grade)
    except (TypeError, ValueError):
        number = float("nan")
    if isinstance(grade, bool) or not abs(number) < float("inf"):
        raise DataError(f"{where}: grade {grade!r} is not a number; give a grades.json to map names to targets")
    return number


def _read_queries(directory: Path, layout: Layout) -> Iterator[LoggedQuery]:
    path = _locate(directory, "queries", layout)
    if path is None:
        return
    for line, row in _rows(path, layout):
        weight = row.get("weight")
        number = 1.0 if weight is None else _number(weight, f"{path}:{line}")
        if number < 0:
            raise DataError(f"{path}:{line}: weight {weight!r} is negative")
        yield LoggedQuery(str(require(row, "query", path, line)), number)


def _rows(path: Path, layout: Layout) -> Iterator[Row]:
    if layout == "jsonl":
        yield from read_jsonl(path)
        return
    try:
        batches = pq.ParquetFile(path).iter_batches()
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}") from error


def _locate(directory: Path, name: str, layout: Layout) -> Path | None:
    endings = (".jsonl", ".jsonl.gz") if layout == "jsonl" else (".parquet",)
    return next((path for ending in endings if (path := directory / f"{name}{ending}").exists()), None)


def _find(directory: Path, name: str, layout: Layout) -> Path:
    path = _locate(directory, name, layout)
    if path is None:
        raise DataError(f"{directory} has no {name}.{layout}; a dataset needs 'judgements' and 'products'")
    return path
