"""Reading Parquet files with errors that name the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as arrow
import pyarrow.parquet as pq

from training.datasets.rows import require_file
from training.errors import DataError

LFS_POINTER = b"version https://git-lfs"
BATCHES_AHEAD = 2
"""Batches that are decoded before they are asked for: few, because a batch of long texts is tens of megabytes."""


def parquet_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row), nulls included."""
    with _named_errors(path):
        batches = pq.ParquetFile(path).iter_batches()
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)


def scan_parquet(path: Path, columns: list[str], chosen: arrow.Expression) -> Iterator[pa.RecordBatch]:
    """Yield batches of `columns` of the rows that `chosen` is true for, in the file's order; no more is held."""
    with _named_errors(path):
        table = arrow.dataset(path, format="parquet")
        missing = [column for column in columns if column not in table.schema.names]
        if missing:
            raise DataError(f"{path}: columns {missing} are missing, found {table.schema.names}")
        plain = {column: _plain(table.schema.field(column)) for column in columns}
        yield from table.to_batches(columns=plain, filter=chosen, batch_readahead=BATCHES_AHEAD)


def _plain(field: pa.Field) -> arrow.Expression:
    """The column's values; pandas writes a category as numbers of them."""
    column = arrow.field(field.name)
    return column.cast(field.type.value_type) if pa.types.is_dictionary(field.type) else column


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    require_file(path)
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        with path.open("rb") as file:
            pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
        hint = "; it is a Git LFS pointer: fetch the file itself with `git lfs pull`" if pointer else ""
        raise DataError(f"{path} cannot be read as Parquet: {error}{hint}") from error
