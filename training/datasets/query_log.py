"""Query logs: plain text with one query a line, TSV, CSV or JSON lines, each of them gzipped or not.

Tables and JSON lines have a `query`, and optionally its `weight` or `count`; what else they hold is not read. Blank
queries are left out. A query has no line end, so a quote that is not closed on its line never takes in what follows:
in TSV, which many write without quoting, it is a character like any other; in CSV it is an error.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from relevance.row_values import is_absent
from relevance.text_file import JSON_LINES
from training.datasets.grades import finite
from training.datasets.rows import check_columns, open_text, read_csv, read_jsonl, require_text
from training.datasets.schema import LoggedQuery
from training.errors import DataError

NO_LOGS = (".json", ".parquet", ".xlsx")
WEIGHTS = ("weight", "count")
"""The first of them that a row has counts."""


def read_query_log(path: Path) -> list[LoggedQuery]:
    """Read the log, blank queries left out; DataError names file and line of a bad row."""
    kind = _kind(path)
    if kind in NO_LOGS:
        raise DataError(f"{path}: a query log is text with one query a line, .tsv, .csv or .jsonl, not {kind}")
    if kind not in (".tsv", ".csv", *JSON_LINES):
        with open_text(path) as file:
            return [LoggedQuery(line.strip()) for line in file if line.strip()]
    rows = read_jsonl(path) if kind in JSON_LINES else _table(path, kind)
    return [logged_query(row, path, line, WEIGHTS) for line, row in rows if not is_absent(row.get("query", "unsaid"))]


def logged_query(row: Mapping[str, Any], path: Path, line: int, weights: tuple[str, ...] = ("weight",)) -> LoggedQuery:
    """The row's query with the first of `weights` that it has, 1 without any; DataError for what is none."""
    name = next((name for name in weights if not is_absent(row.get(name))), None)
    weight = 1.0 if name is None else finite(row[name])
    if name is not None and (weight is None or weight < 0):
        raise DataError(f"{path}:{line}: {name} {row[name]!r} is not a number from 0 on")
    return LoggedQuery(require_text(row, "query", path, line), 1.0 if weight is None else weight)


def _kind(path: Path) -> str:
    ending = path.suffix.lower()
    return Path(path.stem).suffix.lower() if ending == ".gz" else ending


def _table(path: Path, kind: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if kind == ".tsv":
        yield from _tsv_rows(path)
        return
    for line, row in read_csv(path, ("query",), strict=True, optional=WEIGHTS):
        if "\n" in row["query"] or "\r" in row["query"]:
            raise DataError(
                f"{path}:{line}: the query {row['query'][:40]!r} goes over several lines; close its quote, or double "
                "a quote that is part of it"
            )
        yield line, row


def _tsv_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with open_text(path) as file:
        lines = ((number, line.rstrip("\r\n")) for number, line in enumerate(file, 1) if line.strip())
        _, first = next(lines, (0, ""))
        names = _tsv_fields(first)
        check_columns(path, names, ("query",), WEIGHTS)
        for number, line in lines:
            fields = _tsv_fields(line)
            if not names.index("query") < len(fields) <= len(names):
                raise DataError(f"{path}:{number}: the row has {len(fields)} columns, the first line {len(names)}")
            # One that has no weight of its own may end before it.
            yield number, dict(zip(names, fields, strict=False))


def _tsv_fields(line: str) -> list[str]:
    """The line's fields, unquoted where all of its quoting is CSV's and takes in no tab."""
    plain = line.split("\t")
    try:
        unquoted = next(csv.reader([line], delimiter="\t", strict=True))
    except csv.Error:
        return plain
    return unquoted if len(unquoted) == len(plain) else plain
