"""Reading rows of text files with errors that name file and line."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from relevance import text_file
from relevance.row_values import RowError, required, required_text
from training.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader as CsvReader


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gzipped or plain; DataError if it is not there or turns out to be something else."""
    require_file(path)
    try:
        with text_file.open_text(path) as file:
            yield file
    except text_file.TextFileError as error:
        raise DataError(str(error)) from error


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what the operating system says of reading `path` into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(text_file.cannot_be_read(path, error)) from error


def require_file(path: Path) -> None:
    """DataError if `path` is no file."""
    with readable(path):
        is_directory, is_file = path.is_dir(), path.is_file()
    if is_directory:
        raise DataError(f"{path} is a directory, where one file is read; put the parts in it together into a file")
    if not is_file:
        raise DataError(f"{path} is not there; see README, section 'Retrain', for the files a dataset needs")


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each non-blank line."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _object(line, path, number)


def read_csv(
    path: Path,
    columns: tuple[str, ...],
    delimiter: str = ",",
    *,
    strict: bool = False,
    optional: tuple[str, ...] | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (number of the row's last line, row) of a table whose header holds `columns` at least.

    Quoting is CSV's: a field in double quotes may hold delimiters and line ends, and "" is one quote. `strict`: what
    follows a closing quote is an error, as is a quote that is never closed; else such fields are taken as they come.
    `optional`: further columns that are read where they are there; a row may then end behind `columns`, and what it
    lacks is None.
    """
    with open_text(path) as file:
        reader = csv.reader(file, delimiter=delimiter, strict=strict)
        spans = _row_spans(reader, path, delimiter)
        _, names = next(spans, ((0, 0), []))
        check_columns(path, names, columns, optional)
        needed = max(map(names.index, columns)) + 1 if optional is not None else len(names)
        for (first, last), fields in spans:
            if not needed <= len(fields) <= len(names):
                few_or_many = "too many" if len(fields) > len(names) else "too few"
                # Most often, a quote that is a character of the text took in all that follows, up to the next one.
                hint = f"; a quote opens in it that is not closed before line {last}" if last > first else ""
                raise DataError(f"{path}:{first}: the row has {few_or_many} columns{hint}")
            yield last, dict(zip_longest(names, fields))


def _row_spans(reader: CsvReader, path: Path, delimiter: str) -> Iterator[tuple[tuple[int, int], list[str]]]:
    """((number of the first line, of the last), fields) of each row that is not blank."""
    first = 1
    try:
        for fields in reader:
            if fields:
                yield (first, reader.line_num), fields
            first = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}:{first}: not a table of {delimiter!r}-separated rows ({error})") from error


def check_columns(
    path: Path, names: Sequence[str], columns: Sequence[str], optional: Sequence[str] | None = None
) -> None:
    """DataError if a table's header lacks one of `columns`, or names one of these or of `optional` more than once."""
    if missing := sorted(set(columns) - set(names)):
        raise DataError(f"{path}: columns {missing} are missing, found {list(names)}")
    if repeated := [name for name in (*columns, *(optional or ())) if names.count(name) > 1]:
        raise DataError(f"{path}: columns {repeated} are there more than once; keep one of each")


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
        raise DataError(f"{place(path, line)}: {error}") from error


def place(path: Path, line: int) -> str:
    """FILE:LINE, or the file alone where the line is not known."""
    return f"{path}:{line}" if line else str(path)


class _RepeatedKeyError(ValueError):
    """An object says two things of one key, of which json would keep the later."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in row if names.count(name) > 1))
    return row


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line, object_pairs_hook=_without_repeats)
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{number}: the text holds a lone surrogate ({error.reason})") from error
    except _RepeatedKeyError as error:
        raise DataError(f"{path}:{number}: the key {error.key!r} is there more than once; keep one of each") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}:{number}: not valid JSON ({error}); each line holds one object") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: expected a JSON object on each line, got {type(row).__name__}")
    return row
