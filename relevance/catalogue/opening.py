"""Opening the files of a catalogue, each checked against the manifest first.

Indexes are read and checked whole. Of shards, which may be larger than memory, only the size is checked here; each of
their records carries its own checksum, and `verify` reads them all.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from relevance.bundle import FileRecord
from relevance.catalogue.errors import CatalogueError
from relevance.catalogue.index_file import ROW, IndexRows, ShardIndex, index_path, parse_index, shard_path
from relevance.catalogue.manifest import CatalogueManifest

MEND = "restore it from its source, or build the catalogue again in another directory"


def check_version(directory: Path, manifest: CatalogueManifest, encoder_version: str) -> None:
    """CatalogueError if the records are of another encoder than the one that would read them."""
    if manifest.encoder_version != encoder_version:
        raise CatalogueError(
            f"{directory / 'manifest.json'}: the records are of encoder {manifest.encoder_version}, the bundle has "
            f"encoder {encoder_version}; build the catalogue again with this bundle, or serve that of the catalogue"
        )


def open_shards(directory: Path, manifest: CatalogueManifest) -> list[int]:
    """Descriptors of all shards; CatalogueError, with none left open, if one is missing or has another size."""
    descriptors: list[int] = []
    try:
        for number in range(manifest.shards):
            path = shard_path(directory, number)
            descriptors.append(_open(path))
            size, wanted = os.fstat(descriptors[-1]).st_size, manifest.files[path.name].bytes
            if size != wanted:
                raise CatalogueError(f"{path} has {size} bytes, the manifest says {wanted}; {MEND}")
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return descriptors


def read_indexes(directory: Path, manifest: CatalogueManifest) -> IndexRows:
    """The rows (products,) of all shards; CatalogueError if an index is missing or altered."""
    indexes = [_read_index(directory, number, manifest) for number in range(manifest.shards)]
    rows: IndexRows = np.concatenate([np.empty(0, ROW), *(index.rows for index in indexes)])
    if len(rows) != manifest.products:
        raise CatalogueError(
            f"{directory}: its indexes hold {len(rows)} products, its manifest says {manifest.products}; {MEND}"
        )
    return rows


def _read_index(directory: Path, number: int, manifest: CatalogueManifest) -> ShardIndex:
    path = index_path(directory, number)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read ({error.strerror}); {MEND}") from error
    if not _is(content, manifest.files[path.name]):
        raise CatalogueError(f"{path} is not the file the manifest describes; {MEND}")
    index = parse_index(path, content, MEND)
    if index.width != manifest.width:
        raise CatalogueError(f"{path} is for vectors of {index.width}, the manifest of {manifest.width}; {MEND}")
    return index


def _is(content: bytes, record: FileRecord) -> bool:
    return len(content) == record.bytes and hashlib.sha256(content).hexdigest() == record.sha256


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CatalogueError(f"{path} cannot be opened ({error.strerror}); {MEND}") from error
