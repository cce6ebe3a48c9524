"""The index of one shard: a row of 48 bytes for each product, in the order in which the products came.

It is written after its shard and holds the shard's size and SHA-256, so a shard that has an index is finished.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from relevance.catalogue.errors import CatalogueError
from relevance.catalogue.whole_files import write_whole

MAGIC: Final = b"AisleIdx"
VERSION: Final = 1
HEADER: Final = struct.Struct("<8sIIQQ32s32s")
"""Magic, version, width, rows, bytes of the shard, SHA-256 of the shard, SHA-256 of the rows."""

ROW: Final = np.dtype(
    [("id", "<u8", (2,)), ("key", "<u8", (2,)), ("offset", "<u8"), ("length", "<u4"), ("shard", "<u4")]
)
"""Digest of the product's id, its key, and where its record lies: of two products with one key, only one is stored."""

IndexRows = npt.NDArray[Any]
"""(products,) of ROW."""


@dataclass(frozen=True, slots=True, eq=False)
class ShardIndex:
    """What the index of a finished shard tells. `shard_sha256` is a hex digest."""

    width: int
    shard_bytes: int
    shard_sha256: str
    rows: IndexRows


def shard_path(directory: Path, number: int) -> Path:
    """File of a shard's records."""
    return directory / f"records-{number:05d}.bin"


def index_path(directory: Path, number: int) -> Path:
    """File of a shard's index."""
    return directory / f"records-{number:05d}.idx"


def write_index(path: Path, index: ShardIndex) -> None:
    """Write an index whole or not at all."""
    rows = index.rows.tobytes()
    counts = (VERSION, index.width, len(index.rows), index.shard_bytes)
    header = HEADER.pack(MAGIC, *counts, bytes.fromhex(index.shard_sha256), hashlib.sha256(rows).digest())
    write_whole(path, header + rows)


def parse_index(path: Path, content: bytes, mend: str) -> ShardIndex:
    """The index that `content`, read from `path`, holds; CatalogueError, ending in `mend`, if it is not a whole one."""
    if len(content) < HEADER.size or not content.startswith(MAGIC):
        raise CatalogueError(f"{path} is not the index of a shard; {mend}")
    _, version, width, count, shard_bytes, shard_sha256, rows_sha256 = HEADER.unpack_from(content)
    if version != VERSION:
        raise CatalogueError(f"{path} has format version {version}, this Aisle reads {VERSION}; {mend}")
    rows = memoryview(content)[HEADER.size :]
    if len(rows) != count * ROW.itemsize or hashlib.sha256(rows).digest() != rows_sha256:
        raise CatalogueError(f"{path} was altered or cut after it was written; {mend}")
    return ShardIndex(width, shard_bytes, shard_sha256.hex(), np.frombuffer(rows, ROW))
