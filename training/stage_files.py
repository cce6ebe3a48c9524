"""What a stage leaves in its folder: written for all who may read there, read again or refused in one line."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from relevance.bundle import sha256_of
from relevance.disk_errors import has_remedy, remedy
from training.errors import RunDirectoryError, TrainingError
from training.run_directory import MADE_OF, MANIFEST

LONGEST_REASON = 200
"""Characters: torch lists every tensor that does not fit."""
MODEL_FILES = (".json", ".safetensors", ".bin")
"""Endings of what a saved model is read from: weights, configuration, tokenizer."""


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


def text_of(path: Path) -> str:
    """The text of a file that a report alone needs; RunDirectoryError if it can not be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        mend = remedy(error) if isinstance(error, OSError) and has_remedy(error) else "delete it and run again"
        raise RunDirectoryError(f"{path} cannot be read ({reason_of(error)}); {mend}") from error


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """RunDirectoryError that names the place if the disk does not take what the block writes to `folder`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors tells in words alone what the disk said.
        mend = remedy(error) if isinstance(error, OSError) else "if the disk is full, free space there; run again"
        place = getattr(error, "filename", None) or folder
        raise RunDirectoryError(f"{place} cannot be written ({reason_of(error)}); {mend}") from error


def model_digests(directory: Path) -> dict[str, str]:
    """sha256 of every file that the model saved there is read from, by name."""
    files = (path for path in sorted(directory.iterdir()) if path.suffix in MODEL_FILES)
    return {path.name: sha256_of(path) for path in files if path.name not in (MANIFEST, MADE_OF)}


def check_digests(directory: Path, manifest: Mapping[str, Any], folder: Path) -> None:
    """RunDirectoryError names a file that is not the one of which `manifest` tells; earlier versions told of none.

    `folder` is to be redone in that case.
    """
    for name, digest in manifest.get("sha256", {}).items():
        path = directory / name
        with reading(path, folder):
            found = sha256_of(path)
        if found != digest:
            raise RunDirectoryError(
                f"{path} was changed after it was finished (its SHA-256 is not the manifest's); delete {folder} to "
                "redo it"
            )


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
