"""Files that are there whole or not at all, also after a power cut; and a directory with one writer."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from relevance.catalogue.errors import CatalogueError
from relevance.disk_errors import remedy

PARTIAL: Final = ".partial"


def partial_of(path: Path) -> Path:
    """The name of `path` while it is being written."""
    return path.with_name(path.name + PARTIAL)


def put_in_place(file: BinaryIO, path: Path) -> None:
    """Close `file`, the partial of `path`, and give it its name. What is named has reached the disk before."""
    file.flush()
    os.fsync(file.fileno())
    file.close()
    partial_of(path).replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def write_whole(path: Path, content: bytes) -> None:
    """Write `content` as `path`, or nothing."""
    with partial_of(path).open("wb") as file:
        file.write(content)
        put_in_place(file, path)


def lock(directory: Path) -> int:
    """A descriptor that keeps other writers out until it is closed, at the latest by the process's end.

    CatalogueError if another writer has it.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise CatalogueError(f"{directory}: another build is writing here; wait for it, or stop it") from error
    return descriptor


@contextmanager
def disk_errors_named(path: Path) -> Iterator[None]:
    """Turn what the operating system says of a write near `path` into a CatalogueError."""
    try:
        yield
    except OSError as error:
        raise CatalogueError(
            f"{path} cannot be written ({error}); {remedy(error)}: what is finished is kept"
        ) from error
