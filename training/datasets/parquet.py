"""Reading Parquet files with errors that name the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as arrow
import pyarrow.parquet as pq

from export.parquet_rows import ColumnError, column_rows
from training.datasets.rows import require_file
from training.errors import DataError

LFS_POINTER = b"version https://git-lfs"
ROWS_AT_ONCE = 8192
SCANNED_AT_ONCE = 1 << 15
"""Rows: of long texts tens of megabytes. What is `chosen` by may be a long list, which each batch makes a table of."""
BYTES_AT_ONCE = 1 << 20
"""What is read of a column's pages at a time."""

Columns = Mapping[str, arrow.Expression]
Chosen = Callable[[Columns], arrow.Expression]
"""From the columns by name to what is true of the rows that are wanted."""


def parquet_rows(path: Path, known: Collection[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (row number from 1, row), nulls included; columns that are not `known` are not read and hold None."""
    with _named_errors(path), pq.ParquetFile(path) as parquet:
        unread = dict.fromkeys(parquet.schema_arrow.names)
        rows = column_rows(parquet, known, ROWS_AT_ONCE)
        yield from enumerate((unread | row for row in rows), start=1)


def scan_parquet(
    path: Path, texts: Sequence[str], chosen: Chosen, others: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield batches of the columns `texts` and `others` of the chosen rows, in the file's order; no more is held.

    A number where text is due is its text; DataError for a column that can be none.
    """
    columns = (*texts, *others)
    with _named_errors(path):
        there = pq.read_schema(path).names
        if missing := [column for column in columns if column not in there]:
            raise DataError(f"{path}: columns {missing} are missing, found {there}")
        if repeated := sorted({name for name in there if there.count(name) > 1}):
            raise DataError(f"{path}: columns {repeated} are there more than once; keep one of each")
        # A dataset's scan of the file, or a reader that buffers ahead, holds whole row groups: of ESCI, a million rows.
        with pq.ParquetFile(path, buffer_size=BYTES_AT_ONCE, pre_buffer=False) as parquet:
            schema = parquet.schema_arrow
            read = {name: _plain(schema.field(name)) for name in others}
            read |= {name: _text(schema.field(name)) for name in texts}
            wanted = chosen(read)
            for batch in parquet.iter_batches(SCANNED_AT_ONCE, columns=columns):
                yield from arrow.dataset(batch).to_batches(columns=read, filter=wanted)


def _plain(field: pa.Field) -> arrow.Expression:
    """The column's values; pandas writes a category as numbers of them."""
    column = arrow.field(field.name)
    return column.cast(field.type.value_type) if pa.types.is_dictionary(field.type) else column


def _text(field: pa.Field) -> arrow.Expression:
    """The column's values as text, as `relevance/row_values.py` says it of a row's."""
    column, kind = _plain(field), field.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return column
    if pa.types.is_floating(kind):
        # What a table tool made of integers with gaps, and of a column that is empty throughout.
        whole = pc.floor(column)
        integer = whole.cast("int64", safe=False).cast("string")
        text = pc.if_else(pc.equal(whole, column), integer, column.cast("string"))
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.string()), text)
    if pa.types.is_integer(kind) or pa.types.is_null(kind) or pa.types.is_string_view(kind):
        return column.cast("string")
    raise ColumnError(f"column {field.name!r} is of type {kind}; it must hold text or numbers")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    require_file(path)
    try:
        yield
    except ColumnError as error:
        raise DataError(f"{path}: {error}") from error
    except (OSError, pa.ArrowException, ValueError, OverflowError) as error:
        hint = "; it is a Git LFS pointer: fetch the file itself with `git lfs pull`" if _is_pointer(path) else ""
        raise DataError(f"{path} cannot be read as Parquet: {error}{hint}") from error


def _is_pointer(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER
    return False
