"""What a draw has finished so far: blocks of queries with their pairs, and the catalogue's vectors.

A draw that was killed takes up the files that are whole. They are kept apart from the pool's own files and
belong to one draw: a digest of everything that decides the draw lies beside them.
"""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from training.errors import RunDirectoryError
from training.run_directory import whole_file, write_json

log = logging.getLogger("aisle.training")


class Block(NamedTuple):
    """The pairs of some consecutive queries: `sizes` and `overlap` (queries,), the others (pairs,).

    `product` is the row in the whole catalogue that the pool is drawn from.
    """

    sizes: npt.NDArray[np.int32]
    product: npt.NDArray[np.int32]
    cosine: npt.NDArray[np.float32]
    source: npt.NDArray[np.int8]
    overlap: npt.NDArray[np.float32]


class BlockStore:
    """The folder of one unfinished draw; files of a draw with another `digest` are removed."""

    def __init__(self, directory: Path, digest: str) -> None:
        self._directory = directory
        marker = directory / "draw.json"
        if not marker.is_file() or json.loads(marker.read_text(encoding="utf-8")) != {"digest": digest}:
            if any(directory.glob("*.npz")):
                log.warning("%s: removed, it belongs to a draw of other queries, products or settings", directory)
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir(parents=True)
            write_json(marker, {"digest": digest})

    def save(self, name: str, **arrays: npt.NDArray[Any]) -> None:
        """Write arrays under a name, whole or not at all."""
        with whole_file(self._path(name)) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]

    def load(self, name: str) -> dict[str, npt.NDArray[Any]] | None:
        """The arrays of a name, or None; RunDirectoryError if the file is damaged."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            # Opened here: numpy leaves a damaged file open.
            with path.open("rb") as file, np.load(file) as arrays:
                return dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise RunDirectoryError(f"{path} is damaged ({error}); delete it to draw its queries again") from error

    def load_block(self, number: int, queries: int) -> Block | None:
        """Block `number`, which must be of that many queries, or None if it is still to be drawn."""
        arrays = self.load(block_name(number))
        if arrays is None:
            return None
        if set(arrays) != set(Block._fields) or len(arrays["sizes"]) != queries:
            path = self._path(block_name(number))
            raise RunDirectoryError(f"{path} is not a block of {queries} queries; delete it to draw them again")
        return Block(**arrays)

    def save_block(self, number: int, block: Block) -> None:
        """Write a finished block."""
        self.save(block_name(number), **block._asdict())

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.npz"


def block_name(number: int) -> str:
    """Name of a block's file, without its suffix."""
    return f"block-{number:05d}"
