"""One command at a time in a run directory: two that write the same stages would mix what they make."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from training.errors import RunDirectoryError
from training.optimise.distributed import is_main, main_first
from training.run_directory import LOCK, make_folder, used_by_this_user


@contextmanager
def only_writer(run: Path) -> Iterator[None]:
    """Keep other commands out of a run directory, made if need be, until the block or the process ends.

    Of several processes of one command, process 0 does. RunDirectoryError if another command is at work there.
    """
    descriptor, made = None, not run.exists()
    with main_first():
        if is_main():
            descriptor = _lock(run)
    try:
        yield
    finally:
        if descriptor is not None:
            if made:
                _remove_unused(run)
            os.close(descriptor)


def _remove_unused(run: Path) -> None:
    """Take away the folder of a command that was refused before it made anything in it."""
    with suppress(OSError):
        if [path.name for path in run.iterdir()] == [LOCK]:
            (run / LOCK).unlink()
            run.rmdir()


def _lock(run: Path) -> int:
    while True:
        descriptor = _locked(run)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), (run / LOCK).stat()):
                return descriptor
        # A command that was refused took the file away while it was being locked here.
        os.close(descriptor)


def _locked(run: Path) -> int:
    make_folder(run)
    with used_by_this_user(run):
        # A file and not the folder: over the network only what is open for writing can be locked.
        descriptor = os.open(run / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise RunDirectoryError(
                f"{run}: another command is at work here; wait for it, stop it, or choose another --run-dir"
            ) from error
    return descriptor
