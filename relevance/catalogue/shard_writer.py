"""Writing one shard: records go to the disk as they come, only their index rows wait in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from relevance.catalogue.index_file import ROW, ShardIndex, index_path, shard_path, write_index
from relevance.catalogue.key_table import Digests
from relevance.catalogue.record_format import ALIGNMENT, pack_record
from relevance.catalogue.whole_files import partial_of, put_in_place
from relevance.product_record import ProductRecord

Place = tuple[int, int, int]
"""Offset, length and shard of a record."""


class ShardWriter:
    """Shard `number` while it is written, with room for `capacity` products."""

    def __init__(self, directory: Path, number: int, width: int, capacity: int) -> None:
        self._directory, self._number, self._width = directory, number, width
        self._path = shard_path(directory, number)
        self._file = partial_of(self._path).open("wb")
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        self._rows = np.zeros(capacity, ROW)
        self._products = 0
        self._places: dict[bytes, Place] = {}

    @property
    def room(self) -> int:
        """Products that still fit."""
        return len(self._rows) - self._products

    def store(self, key: bytes, record: ProductRecord) -> Place:
        """Write a record unless this shard has it; returns its place."""
        place = self._places.get(key)
        if place is None:
            packed = pack_record(key, record)
            place = self._places[key] = (self._bytes, len(packed), self._number)
            self._write(packed + bytes(-len(packed) % ALIGNMENT))
        return place

    def enter(self, ids: Digests, keys: Digests, places: Sequence[Place]) -> None:
        """Add index rows of n products: digests (n, 2) of their ids and keys, and where their records lie."""
        rows = self._rows[self._products : self._products + len(places)]
        rows["id"], rows["key"] = ids, keys
        rows["offset"], rows["length"], rows["shard"] = np.array(places, np.uint64).reshape(-1, 3).T
        self._products += len(places)

    def finish(self) -> ShardIndex:
        """Put the shard and then its index in place; returns the index."""
        put_in_place(self._file, self._path)
        index = ShardIndex(self._width, self._bytes, self._sha256.hexdigest(), self._rows[: self._products])
        write_index(index_path(self._directory, self._number), index)
        return index

    def abandon(self) -> None:
        """Give up an unfinished shard and remove what was written of it."""
        # What is still buffered would be written now; a disk that is full has said so before.
        with suppress(OSError):
            self._file.close()
        partial_of(self._path).unlink(missing_ok=True)

    def _write(self, packed: bytes) -> None:
        self._file.write(packed)
        self._sha256.update(packed)
        self._bytes += len(packed)
