"""The pool's files: `products.jsonl`, `queries.parquet`, and one `.npy` file for each column of the pairs.

A column of plain numbers can be memory-mapped: what is not looked at is not read, and what was looked at
can be dropped by the system when it needs the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from relevance.bundle import sha256_of
from relevance.product import Product
from training.datasets.rows import read_jsonl
from training.errors import DataError, RunDirectoryError
from training.stage_files import reason_of

Array = npt.NDArray[Any]


class PairColumns(NamedTuple):
    """Columns (n,) of n pairs: numbers of query and product, the bi-encoder's cosine, a `Source`."""

    query: Array
    product: Array
    cosine: Array
    source: Array


DTYPES: tuple[np.dtype[Any], ...] = tuple(np.dtype(name) for name in ("<i4", "<i4", "<f4", "i1"))


class QueryTable(NamedTuple):
    """The columns of `queries.parquet`; see `training.pool.QueryFacts`."""

    texts: list[str]
    origin: npt.NDArray[np.int8]
    misspelt: npt.NDArray[np.bool_]
    overlap: npt.NDArray[np.float32]


def write_texts(directory: Path, products: Iterable[Product], queries: Mapping[str, Any]) -> None:
    """Write the products, one a line, and the columns of the queries."""
    with _products_file(directory).open("w", encoding="utf-8") as file:
        for product in products:
            file.write(product.model_dump_json(exclude_defaults=True) + "\n")
    pq.write_table(pa.table({name: pa.array(column) for name, column in queries.items()}), _queries_file(directory))


def write_pairs(directory: Path, blocks: Iterable[PairColumns], count: int) -> None:
    """Write `count` pairs that come in blocks; no more than a block is held."""
    with ExitStack() as stack:
        files = [stack.enter_context(_column(directory, name).open("wb")) for name in PairColumns._fields]
        for file, dtype in zip(files, DTYPES, strict=True):
            header = {"descr": dtype.str, "fortran_order": False, "shape": (count,)}
            np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            for file, dtype, values in zip(files, DTYPES, block, strict=True):
                file.write(np.ascontiguousarray(values, dtype=dtype).data)


def read_pairs(directory: Path, count: int) -> PairColumns:
    """The columns, memory-mapped and read-only; RunDirectoryError names one that does not hold `count` numbers."""
    columns = []
    for name in PairColumns._fields:
        path = _column(directory, name)
        try:
            column = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise RunDirectoryError(f"{path} is damaged ({error}); {_redo(directory)}") from error
        _check(path, len(column), count)
        # A plain array on the same memory: numpy's memmap class makes every slice cost several times as much.
        columns.append(column.view(np.ndarray))
    return PairColumns(*columns)


def digests(directory: Path) -> dict[str, str]:
    """sha256 of every file that decides what a label belongs to, by name; read in blocks."""
    files = [_products_file(directory), _queries_file(directory)]
    files += [_column(directory, name) for name in PairColumns._fields]
    return {path.name: sha256_of(path) for path in files}


def read_products(directory: Path, count: int) -> list[Product]:
    """The catalogue; RunDirectoryError if it does not hold `count` products."""
    path = _products_file(directory)
    if not path.is_file():
        raise RunDirectoryError(f"{path} is not there; {_redo(directory)}")
    try:
        products = [_product(path, line, row) for line, row in read_jsonl(path)]
    except DataError as error:
        raise RunDirectoryError(f"{error}; {_redo(directory)}") from error
    _check(path, len(products), count)
    return products


def _product(path: Path, line: int, row: Mapping[str, Any]) -> Product:
    try:
        return Product.model_validate(row)
    except ValidationError as error:
        raise RunDirectoryError(f"{path}:{line} is no product ({reason_of(error)}); {_redo(path.parent)}") from error


def read_queries(directory: Path, count: int) -> QueryTable:
    """The queries, each distinct text once in memory; RunDirectoryError if they are not `count`."""
    path = _queries_file(directory)
    try:
        table = pq.read_table(path)
        origin, misspelt, overlap = (table[name].to_numpy() for name in QueryTable._fields[1:])
        texts = _shared(text for chunk in table["query"].chunks for text in chunk.to_pylist())
    except (OSError, KeyError, pa.ArrowException) as error:
        raise RunDirectoryError(f"{path} is damaged ({error}); {_redo(directory)}") from error
    _check(path, len(texts), count)
    return QueryTable(texts, origin, misspelt, overlap)


def _shared(texts: Iterable[str]) -> list[str]:
    seen: dict[str, str] = {}
    return [seen.setdefault(text, text) for text in texts]


def _check(path: Path, found: int, count: int) -> None:
    if found != count:
        raise RunDirectoryError(f"{path} holds {found} rows, its manifest says {count}; {_redo(path.parent)}")


def _redo(directory: Path) -> str:
    return f"delete {directory} to draw the pool again"


def _column(directory: Path, name: str) -> Path:
    return directory / f"pairs-{name}.npy"


def _products_file(directory: Path) -> Path:
    return directory / "products.jsonl"


def _queries_file(directory: Path) -> Path:
    return directory / "queries.parquet"
