"""Which files of a data directory decide a run.

Others may lie there too, as a file manager's own or somebody's notes: they come and go, and no weight depends on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.errors import ConfigError, DataError

_PRODUCTS = ("products.jsonl", "products.jsonl.gz")

FILES_READ: dict[str, tuple[tuple[str, ...], ...]] = {
    "chorus": (("ratings.csv",), ("individual_ratings.csv",), _PRODUCTS),
    "jsonl": (
        ("judgements.jsonl", "judgements.jsonl.gz"),
        _PRODUCTS,
        ("queries.jsonl", "queries.jsonl.gz"),
        ("grades.json",),
    ),
    "parquet": (("judgements.parquet",), ("products.parquet",), ("queries.parquet",), ("grades.json",)),
}
"""Reader → the names that each of its files may have; the first that is there is read. Other readers digest no more
than they read (`FILES` of `training/datasets/loading.py`)."""


def without_unread(fingerprint: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's fingerprint without the digests of files that its reader does not read.

    Runs of earlier versions have them in their `run.json`.
    """
    settings, data = fingerprint.get("settings"), fingerprint.get("data")
    if not (isinstance(settings, Mapping) and isinstance(data, Mapping)):
        return fingerprint
    slots = FILES_READ.get(str(settings.get("data")).partition(":")[0])
    if slots is None:
        return fingerprint
    read = {next((name for name in names if name in data), None) for names in slots} | {*settings.get("query_logs", ())}
    return {**fingerprint, "data": {name: digest for name, digest in data.items() if name in read}}


def check_query_logs(query_logs: Sequence[Path]) -> None:
    """ConfigError that names the query logs which are no files: said before the data is read."""
    with reading_data():
        missing = [str(path) for path in query_logs if not path.is_file()]
    if missing:
        raise ConfigError(
            f"query_logs: not there: {', '.join(missing)}; mend the path (--query-log on the command line)"
        )


@contextmanager
def reading_data() -> Iterator[None]:
    """Within it, DataError in one line for a file that this user may not read, or a disk that does not give it."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise
        raise DataError(
            f"{error.filename} cannot be read ({error.strerror}); make it readable for this user and run again"
        ) from error
