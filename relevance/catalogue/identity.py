"""Which files lie in a catalogue's directory, whatever they hold: restored or rebuilt ones are others.

An open file keeps its number, so as long as a catalogue is open no other file can be taken for one of its shards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from relevance.catalogue.index_file import shard_path


@dataclass(frozen=True, slots=True)
class Identity:
    """Where the directory is once links are followed; device and number of the shards, None for no file."""

    directory: Path
    files: tuple[tuple[int, int] | None, ...]

    @classmethod
    def of(cls, directory: Path, shards: int) -> Self:
        """As they are now. OSError or RuntimeError where the links lead nowhere."""
        directory = directory.resolve()
        return cls(directory, tuple(_numbers(directory, shards)))


def _numbers(directory: Path, shards: int) -> Iterator[tuple[int, int] | None]:
    # Not the manifest's, which is not kept open: its number may change by itself, and what it holds is compared.
    for path in (shard_path(directory, number) for number in range(shards)):
        try:
            found = path.stat()
        except OSError:
            yield None
        else:
            yield found.st_dev, found.st_ino
