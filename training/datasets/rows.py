"""Reading rows of text files with errors that name file and line."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from relevance.row_values import RowError, required, required_text
from training.errors import DataError


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gzipped or plain; DataError if it is not there or turns out to be something else."""
    require_file(path)
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield cast(TextIO, file)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is no whole gzip file: {error}") from error


def require_file(path: Path) -> None:
    """DataError if `path` is no file."""
    if path.is_dir():
        raise DataError(f"{path} is a directory, where one file is read; put the parts in it together into a file")
    if not path.is_file():
        raise DataError(f"{path} is not there; see README, section 'Retrain', for the files a dataset needs")


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each non-blank line."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _object(line, path, number)


def read_csv(
    path: Path, columns: tuple[str, ...], delimiter: str = ",", *, strict: bool = False, short_rows: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row's last line, row) of a table whose header holds `columns` at least.

    Quoting is CSV's: a field in double quotes may hold delimiters and line ends, and "" is one quote. `strict`: what
    follows a closing quote is an error, as is a quote that is never closed; else such fields are taken as they come.
    `short_rows`: a row may end behind `columns`, and what it lacks is None.
    """
    with open_text(path) as file:
        reader = csv.DictReader(file, delimiter=delimiter, strict=strict)
        try:
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path}: columns {sorted(missing)} are missing, found {reader.fieldnames}")
            for row in reader:
                needed = columns if short_rows else row.keys()
                if None in row or any(row[name] is None for name in needed):
                    few_or_many = "too many" if None in row else "too few"
                    raise DataError(f"{path}:{reader.line_num}: the row has {few_or_many} columns")
                yield reader.line_num, row
        except csv.Error as error:
            # It counts the rows that it gave: the bad one begins behind them.
            raise DataError(
                f"{path}:{reader.line_num + 1}: not a table of {delimiter!r}-separated rows ({error})"
            ) from error


def require(row: Mapping[str, Any], key: str, path: Path, line: int) -> Any:
    """The value of `key`, or a DataError naming file, line and key when it is absent or empty."""
    with rows_named(path, line):
        return required(row, key)


def require_text(row: Mapping[str, Any], key: str, path: Path, line: int) -> str:
    """The text of `key`, as `required_text` reads it; DataError naming file, line and key."""
    with rows_named(path, line):
        return required_text(row, key)


@contextmanager
def rows_named(path: Path, line: int) -> Iterator[None]:
    """Turn what is wrong with a row into a DataError that names file and line."""
    try:
        yield
    except RowError as error:
        raise DataError(f"{path}:{line}: {error}") from error


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{number}: the text holds a lone surrogate ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not valid JSON ({error}); each line holds one object") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: expected a JSON object on each line, got {type(row).__name__}")
    return row
