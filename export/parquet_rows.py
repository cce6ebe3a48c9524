"""Rows of a Parquet file, of the columns that are asked for alone: a fault in another column is nobody's concern.

Training and the catalogue's build read their tables by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class ColumnError(ValueError):
    """A column cannot be used; the message names it, but not the file."""


def column_rows(parquet: pq.ParquetFile, wanted: Collection[str], rows_at_once: int) -> Iterator[dict[str, Any]]:
    """The rows, nulls included, of the `wanted` columns that there are.

    ColumnError for a column that is there twice, or whose values Python cannot hold.
    """
    names = [name for name in parquet.schema_arrow.names if name in wanted]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ColumnError(f"columns {repeated} are there more than once; keep one of each")
    for batch in parquet.iter_batches(rows_at_once, columns=names):
        # Arrow takes "size" to ask for a column "size.width" too.
        columns = [_values(name, batch.column(name)) for name in names]
        for values in zip(*columns, strict=True) if columns else [()] * batch.num_rows:
            yield dict(zip(names, values, strict=True))


def _values(name: str, column: pa.Array) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError) as error:
        raise ColumnError(f"column {name!r} holds what cannot be read ({error})") from error
    return values
