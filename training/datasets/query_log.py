"""Query logs as plain text (one query a line) or TSV/CSV with a `query` column and an optional `weight`."""

from __future__ import annotations

import csv
from pathlib import Path

from training.datasets.rows import open_text
from training.datasets.schema import LoggedQuery
from training.errors import DataError

DELIMITERS = {".tsv": "\t", ".csv": ","}


def read_query_log(path: Path) -> list[LoggedQuery]:
    """Read the log, blank lines left out; DataError names file and line of a bad row."""
    kind = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    delimiter = DELIMITERS.get(kind)
    with open_text(path) as file:
        if delimiter is None:
            return [LoggedQuery(line.strip()) for line in file if line.strip()]
        reader = csv.DictReader(file, delimiter=delimiter)
        if "query" not in (reader.fieldnames or ()):
            raise DataError(f"{path}: there is no 'query' column, only {reader.fieldnames}")
        return [_logged(row, path, reader.line_num) for row in reader if row["query"]]


def _logged(row: dict[str, str], path: Path, line: int) -> LoggedQuery:
    try:
        weight = float(row.get("weight") or 1.0)
    except ValueError:
        weight = -1.0
    if not 0.0 <= weight < float("inf"):
        raise DataError(f"{path}:{line}: weight {row.get('weight')!r} is not a number from 0 on")
    return LoggedQuery(row["query"].strip(), weight)
