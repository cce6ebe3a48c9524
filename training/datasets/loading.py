"""From the `data` setting to a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from relevance.bundle import sha256_of
from training.config import DistillSettings
from training.datasets.chorus import read_chorus
from training.datasets.generic import Layout, read_generic
from training.datasets.schema import Dataset
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import ConfigError

LAYOUTS: dict[str, Layout] = {"jsonl": "jsonl", "parquet": "parquet"}
FORMS = "synthetic, chorus:DIR, jsonl:DIR or parquet:DIR"


def load_dataset(settings: DistillSettings) -> Dataset:
    """Read or build the judged dataset that `settings.data` names."""
    kind, _, place = settings.data.partition(":")
    if kind == "synthetic" and not place:
        return build_synthetic(settings.seed, SyntheticSize(queries=settings.synthetic_judged_queries))
    if kind not in {"chorus", *LAYOUTS}:
        raise ConfigError(f"data is {settings.data!r}; it must be {FORMS}")
    directory = _directory(place, settings.data)
    if kind == "chorus":
        return read_chorus(directory)
    return read_generic(directory, LAYOUTS[kind])


def data_digests(settings: DistillSettings) -> dict[str, str]:
    """sha256 of every file that the run reads, by name; empty for the embedded catalogue."""
    _, _, place = settings.data.partition(":")
    directory = _directory(place, settings.data) if place else None
    files = [*_files(directory), *settings.query_logs]
    missing = [str(path) for path in files if not path.is_file()]
    if missing:
        raise ConfigError(f"query_logs: not there: {', '.join(missing)}")
    return {path.name: sha256_of(path) for path in files}


def _directory(place: str, data: str) -> Path:
    directory = Path(place)
    if not place or not directory.is_dir():
        raise ConfigError(f"data is {data!r}, but {place or 'the part after the colon'} is no directory; use {FORMS}")
    return directory


def _files(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        yield from sorted(path for path in directory.iterdir() if path.is_file())
