"""A finished catalogue, open: many keys at once → records, many product ids at once → keys.

Records are read with `pread` from files that stay open, not from a memory map. Both live on in a file that was
deleted or replaced by rename. But where a file is cut in place, or its disk fails, touching a map kills the process
with SIGBUS, and a `pread` comes back short or with an error, which is one miss. What it gives is also memory that can
be counted: a view into a map is not, and keeps the whole shard mapped.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from relevance.catalogue.errors import CatalogueError, DamagedRecordError
from relevance.catalogue.identity import Identity
from relevance.catalogue.index_file import IndexRows, shard_path
from relevance.catalogue.key_table import NOT_FOUND, Digests, KeyTable, as_digests, digests_of_ids
from relevance.catalogue.manifest import CatalogueManifest, read_manifest
from relevance.catalogue.opening import check_version, open_shards, read_indexes
from relevance.catalogue.record_format import unpack_record
from relevance.product_record import KEY_BYTES, ProductRecord

log = logging.getLogger("aisle.catalogue")


class Catalogue:
    """Read-only and thread-safe; 80 bytes of memory a product. Its files are closed when nobody holds it any more.

    A record that is not whole is a miss, counted in `damaged`; the first of each file is logged with its offset.
    """

    def __init__(self, directory: Path, manifest: CatalogueManifest, digest: str) -> None:
        """Use `open`, which checks the manifest."""
        self.directory: Final = directory
        self.manifest: Final = manifest
        self.digest: Final = digest
        # Before they are opened: what is exchanged in between then looks like another file, not like this one.
        self.identity: Final = Identity.of(directory, manifest.shards)
        self.damaged = 0
        self._damaged_shards: set[int] = set()
        self._damaged_lock = threading.Lock()
        self._index(read_indexes(directory, manifest))
        self._shards = open_shards(directory, manifest)
        for descriptor in self._shards:
            weakref.finalize(self, os.close, descriptor)

    @classmethod
    def open(cls, directory: Path, encoder_version: str) -> Self:
        """Check and open a catalogue.

        CatalogueError, naming the file and what to do, if it is unfinished, altered, cut, or of another encoder.
        """
        # A link that is turned to a new catalogue must not give half of each.
        try:
            directory = directory.resolve()
        except (OSError, RuntimeError) as error:
            raise CatalogueError(f"{directory} leads nowhere ({error}); set the link to a catalogue") from error
        manifest, digest = read_manifest(directory)
        check_version(directory, manifest, encoder_version)
        return cls(directory, manifest, digest)

    def is_at(self, directory: Path) -> bool:
        """Whether the very files that it was opened from lie there, and not others of the same content."""
        try:
            return Identity.of(directory, self.manifest.shards) == self.identity
        except (OSError, RuntimeError):
            return False

    def __len__(self) -> int:
        """Records, each of another key."""
        return len(self._by_key)

    @property
    def size_bytes(self) -> int:
        """Bytes of its files."""
        return sum(file.bytes for file in self.manifest.files.values())

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where there is none. Their arrays are read-only."""
        rows = self._by_key.rows(as_digests(keys))
        records: list[ProductRecord | None] = [None] * len(keys)
        found = np.flatnonzero(rows != NOT_FOUND)
        places = self._places[rows[found]].tolist()
        for at, place in zip(found.tolist(), places, strict=True):
            records[at] = self._read(keys[at], *place)
        return records

    def find(self, ids: Sequence[str]) -> list[bytes | None]:
        """The key of each product id, None where the id is not known."""
        rows = self._by_id.rows(digests_of_ids(ids))
        keys = self._keys.take(rows, axis=0, mode="clip").tobytes() if len(self._keys) else bytes(KEY_BYTES * len(ids))
        parts = (keys[start : start + KEY_BYTES] for start in range(0, len(keys), KEY_BYTES))
        return [None if row == NOT_FOUND else key for row, key in zip(rows.tolist(), parts, strict=True)]

    def _index(self, rows: IndexRows) -> None:
        self._by_key, self._by_id = KeyTable(rows["key"]), KeyTable(rows["id"])
        self._keys: Digests = np.ascontiguousarray(rows["key"])
        # (products, 3): offset, length, shard.
        self._places: npt.NDArray[np.int64] = np.stack(
            [rows["offset"], rows["length"], rows["shard"]], 1, dtype=np.int64
        )

    def _read(self, key: bytes, offset: int, length: int, shard: int) -> ProductRecord | None:
        try:
            return unpack_record(os.pread(self._shards[shard], length, offset), key, self.manifest.width)
        except (OSError, DamagedRecordError) as error:
            self._tell_damage(offset, shard, error)
            return None

    def _tell_damage(self, offset: int, shard: int, error: Exception) -> None:
        with self._damaged_lock:
            self.damaged += 1
            is_first = shard not in self._damaged_shards
            self._damaged_shards.add(shard)
        if is_first:
            log.error(
                "%s: the record at byte %d cannot be used (%s): a product sent with its text is computed anew, one "
                "sent by its id alone is not scored; what else of this file cannot be used is only counted",
                *(shard_path(self.directory, shard), offset, error),
            )
