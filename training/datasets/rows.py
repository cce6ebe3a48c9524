"""Reading rows of text files with errors that name file and line."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, cast

from training.errors import DataError


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a UTF-8 text file, gzipped or plain; DataError if it is not there or turns out to be something else."""
    if not path.is_file():
        raise DataError(f"{path} is not there; see README, section 'Retrain', for the files a dataset needs")
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            yield cast(TextIO, file)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise DataError(f"{path} is no whole gzip file: {error}") from error


def read_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) for each non-blank line."""
    with open_text(path) as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield number, _object(line, path, number)


def require(row: Mapping[str, Any], key: str, path: Path, line: int) -> Any:
    """The value of `key`, or a DataError naming file, line and key when it is absent or empty."""
    value = row.get(key)
    if value is None or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{path}:{line}: {key!r} is missing or empty")
    return value


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
        json.dumps(row, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"{path}:{number}: the text holds a lone surrogate ({error.reason})") from error
    except ValueError as error:
        raise DataError(f"{path}:{number}: not valid JSON ({error})") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: expected a JSON object, got {type(row).__name__}")
    return row
