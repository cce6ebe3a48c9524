"""What a stage leaves in its folder: written for all who may read there, read again or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from relevance.disk_errors import has_remedy, remedy
from training.errors import RunDirectoryError, TrainingError

LONGEST_REASON = 200
"""Characters: torch lists every tensor that does not fit."""


@contextmanager
def reading(path: Path, folder: Path) -> Iterator[None]:
    """RunDirectoryError if `path`, which the block reads, is missing, forbidden or damaged; `folder` is to be redone.

    Of a damaged file, torch, transformers and tokenizers raise errors of many kinds, bare Exceptions among them.
    """
    try:
        with path.open("rb"):
            # Tried first: libraries hide why a file can not be opened, and some go on without it.
            pass
        yield
    except (MemoryError, torch.OutOfMemoryError, RunDirectoryError):
        raise
    except Exception as error:
        mend = f"delete {folder} to redo it"
        if isinstance(error, OSError) and has_remedy(error):
            mend = remedy(error)
        raise RunDirectoryError(f"{path} cannot be read ({reason_of(error)}); {mend}") from error


def reason_of(error: Exception) -> str:
    """What an error of any library says, in one line that is not too long."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    if len(text) > LONGEST_REASON:
        text = f"{text[:LONGEST_REASON]} …"
    return text if isinstance(error, TrainingError | OSError) else f"{type(error).__name__}: {text}"


def share_weights(directory: Path) -> None:
    """Give weights the mode that the umask gives other files: safetensors makes them for their owner alone."""
    umask = os.umask(0o077)
    os.umask(umask)
    for path in directory.glob("*.safetensors"):
        # A file system without modes refuses; trained weights are not lost for that.
        with suppress(OSError):
            path.chmod(0o666 & ~umask)
