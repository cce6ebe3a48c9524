"""From the `data` setting to a dataset.

`data` is READER:DIR, or `synthetic`, which needs no files. ESCI takes options: esci:DIR?locale=us&version=small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from relevance.bundle import sha256_of
from training.config import DistillSettings
from training.datasets import chorus, esci, wands
from training.datasets.generic import files_of, read_generic
from training.datasets.rows import readable
from training.datasets.schema import Dataset
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import ConfigError

Reader = Callable[[Path, str], Dataset]
"""(directory, options after the "?") → dataset."""

READERS: dict[str, Reader] = {
    "chorus": lambda directory, _: chorus.read_chorus(directory),
    "wands": lambda directory, _: wands.read_wands(directory),
    "esci": lambda directory, options: esci.read_esci(directory, esci.esci_options(options)),
    "jsonl": lambda directory, _: read_generic(directory, "jsonl"),
    "parquet": lambda directory, _: read_generic(directory, "parquet"),
}
FILES = {"wands": wands.FILES, "esci": esci.FILES}
"""The files a reader reads, all of which must be there."""
CHOICES = {"chorus": chorus.FILES, "jsonl": files_of("jsonl"), "parquet": files_of("parquet")}
"""The names that the files of the other readers may have; they say themselves which they miss."""
WITH_OPTIONS = {"esci"}
FORMS = "synthetic, chorus:DIR, wands:DIR, esci:DIR, jsonl:DIR or parquet:DIR"


def load_dataset(settings: DistillSettings) -> Dataset:
    """Read or build the judged dataset that `settings.data` names."""
    if settings.data == "synthetic":
        return build_synthetic(settings.seed, SyntheticSize(queries=settings.synthetic_judged_queries))
    reader, directory, options = _source(settings.data)
    return READERS[reader](directory, options)


def data_digests(settings: DistillSettings) -> dict[str, str]:
    """sha256 of every file that the run reads, by name; empty for the embedded catalogue."""
    files = [*_files(settings.data), *settings.query_logs]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise ConfigError(f"files to read are not there: {', '.join(missing)}")
    names = [path.name for path in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"two files to read have the same name ({', '.join(twice)}); rename the query log")
    return {path.name: _digest(path) for path in files}


def check_query_logs(query_logs: Iterable[Path]) -> None:
    """ConfigError that names the query logs which are no files: said before the data is read."""
    if missing := [str(path) for path in query_logs if not path.is_file()]:
        raise ConfigError(
            f"query_logs: not there: {', '.join(missing)}; mend the path (--query-log on the command line)"
        )


def _digest(path: Path) -> str:
    with readable(path):
        return sha256_of(path)


def _source(data: str) -> tuple[str, Path, str]:
    """Reader, directory and options; ConfigError where there is no such reader or directory."""
    reader, _, place = data.partition(":")
    if reader not in READERS:
        raise ConfigError(f"data is {data!r}; it must be {FORMS}")
    options = ""
    if reader in WITH_OPTIONS:
        place, _, options = place.partition("?")
    directory = Path(place)
    if not place or not directory.is_dir():
        raise ConfigError(f"data is {data!r}, but {place or 'the part after the colon'} is no directory; use {FORMS}")
    return reader, directory, options


def _files(data: str) -> Iterator[Path]:
    if data == "synthetic":
        return
    reader, directory, _ = _source(data)
    if reader in FILES:
        yield from (directory / name for name in FILES[reader])
    else:
        # What else lies there, such as notes, comes and goes, and no weight depends on it.
        yield from (path for name in CHOICES[reader] if (path := directory / name).is_file())
