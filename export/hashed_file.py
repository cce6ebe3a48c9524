"""A file that must stay as it was hashed until its last row is read: what is made of it bears that hash.

It is opened more than once, so it may be replaced between two readings, or be written to during one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from export.errors import ProductFileError
from relevance.text_file import cannot_be_read


@dataclass(frozen=True, slots=True)
class HashedFile:
    """`sha256` is a hex digest; `state` tells, without reading the file again, whether it is still the one hashed."""

    path: Path
    sha256: str
    state: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Hash a file; ProductFileError if it cannot be read, or changes meanwhile."""
        try:
            with path.open("rb") as file:
                # Taken first: what is written while the file is hashed shows in the next look at it.
                state = _state(os.fstat(file.fileno()))
                hashed = cls(path, hashlib.file_digest(file, "sha256").hexdigest(), state)
        except OSError as error:
            raise ProductFileError(cannot_be_read(path, error)) from error
        hashed.check_unchanged()
        return hashed

    def check_unchanged(self) -> None:
        """ProductFileError if the path leads to another file by now, to none, or to one that was written to."""
        try:
            is_same = _state(self.path.stat()) == self.state
        except OSError:
            is_same = False
        if not is_same:
            raise ProductFileError(f"{self.path} changed while it was read; run again")

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """ProductFileError at the end if the file changed. A row at fault is told only of a file that did not."""
        try:
            yield
        except ProductFileError:
            self.check_unchanged()
            raise
        self.check_unchanged()


def _state(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
