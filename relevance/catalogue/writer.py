"""Building a catalogue, shard by shard. A killed build goes on behind its last finished shard."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from relevance.bundle import FileRecord, sha256_of
from relevance.catalogue.index_file import ROW, IndexRows, index_path, shard_path
from relevance.catalogue.key_table import NOT_FOUND, KeyTable, as_digests, digests_of_ids
from relevance.catalogue.manifest import CatalogueManifest, write_manifest
from relevance.catalogue.resume import PLAN, Plan, begin_or_resume
from relevance.catalogue.shard_writer import Place, ShardWriter
from relevance.catalogue.whole_files import disk_errors_named, lock
from relevance.product_record import ProductRecord

PRODUCTS_PER_SHARD: Final = 32768
"""A few minutes of encoding and 200 MB: what a killed build loses at most, and a million products are 31 files."""


class CatalogueWriter:
    """Writes products in the order in which `add` brings them; the first `products` are there already.

    `source` names what the products are read from. A build that was begun from another source, or for another
    encoder or width, is refused with a CatalogueError, as is a directory that holds a finished catalogue, or that
    another writer has. `finish` or `close` lets it go.
    """

    def __init__(
        self,
        directory: Path,
        encoder_version: str,
        width: int,
        source: str = "",
        products_per_shard: int = PRODUCTS_PER_SHARD,
    ) -> None:
        self._directory, self._width, self._capacity = directory, width, products_per_shard
        self._plan = Plan(encoder_version, width, source)
        with disk_errors_named(directory):
            directory.mkdir(parents=True, exist_ok=True)
            self._unlock = weakref.finalize(self, os.close, lock(directory))
            try:
                self._shards = begin_or_resume(directory, self._plan)
            except BaseException:
                self._unlock()
                raise
        self._shard: ShardWriter | None = None
        self._rows: IndexRows = np.concatenate([np.empty(0, ROW), *(shard.rows for shard in self._shards)])
        self._table = KeyTable(self._rows["key"])

    @property
    def products(self) -> int:
        """Products in finished shards: as many does a build that goes on leave out at its source's beginning."""
        return len(self._rows)

    def add(self, ids: Sequence[str], keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Write n products with their keys and records. A record whose key is known is not stored again."""
        if not len(ids) == len(keys) == len(records):
            raise ValueError(f"{len(ids)} ids, {len(keys)} keys and {len(records)} records are not of one block")
        start = 0
        with disk_errors_named(self._directory):
            while start < len(ids):
                shard = self._open_shard()
                stop = min(len(ids), start + shard.room)
                self._add_to(shard, ids[start:stop], keys[start:stop], records[start:stop])
                start = stop
                if not shard.room:
                    self._finish_shard(shard)

    def finish(self) -> CatalogueManifest:
        """Finish the last shard and write the manifest: from then on the directory is a catalogue."""
        with disk_errors_named(self._directory):
            if self._shard is not None:
                self._finish_shard(self._shard)
            manifest = CatalogueManifest(
                encoder_version=self._plan.encoder_version,
                width=self._plan.width,
                source=self._plan.source,
                products=len(self._rows),
                records=len(self._table),
                shards=len(self._shards),
                files=self._files(),
            )
            write_manifest(self._directory, manifest)
            (self._directory / PLAN).unlink()
        self._unlock()
        return manifest

    def close(self) -> None:
        """Give up the shard at hand; what is finished stays for the next build."""
        if self._shard is not None:
            self._shard.abandon()
            self._shard = None
        self._unlock()

    def _open_shard(self) -> ShardWriter:
        if self._shard is None:
            self._shard = ShardWriter(self._directory, len(self._shards), self._width, self._capacity)
        return self._shard

    def _add_to(
        self, shard: ShardWriter, ids: Sequence[str], keys: Sequence[bytes], records: Sequence[ProductRecord]
    ) -> None:
        digests = as_digests(keys)
        places: list[Place] = []
        for row, key, record in zip(self._table.rows(digests), keys, records, strict=True):
            if record.latents.shape[1:] != (self._width,):
                raise ValueError(f"latents must be (length, {self._width}), not {record.latents.shape}")
            places.append(shard.store(key, record) if row == NOT_FOUND else self._place(int(row)))
        shard.enter(digests_of_ids(ids), digests, places)

    def _place(self, row: int) -> Place:
        found = self._rows[row]
        return int(found["offset"]), int(found["length"]), int(found["shard"])

    def _finish_shard(self, shard: ShardWriter) -> None:
        self._shards.append(shard.finish())
        self._shard = None
        self._rows = np.concatenate([self._rows, self._shards[-1].rows])
        self._table = KeyTable(self._rows["key"])

    def _files(self) -> dict[str, FileRecord]:
        files = {}
        for number, shard in enumerate(self._shards):
            index = index_path(self._directory, number)
            name = shard_path(self._directory, number).name
            files[name] = FileRecord(sha256=shard.shard_sha256, bytes=shard.shard_bytes)
            files[index.name] = FileRecord(sha256=sha256_of(index), bytes=index.stat().st_size)
        return files
