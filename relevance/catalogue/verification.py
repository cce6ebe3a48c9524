"""Reading a whole catalogue again: every record's checksum, every file's SHA-256."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from relevance.bundle import sha256_of
from relevance.catalogue.errors import CatalogueError
from relevance.catalogue.manifest import read_manifest
from relevance.catalogue.opening import MEND, read_indexes
from relevance.catalogue.reader import Catalogue

RECORDS_READ: Final = 256


def verify_records(directory: Path, advance: Callable[[int], None]) -> int:
    """The records, all of them read; CatalogueError if a file or a record is not what was written.

    The first damaged record of each file is logged with its offset. `advance` is told how many were read, block by
    block.
    """
    manifest, _ = read_manifest(directory)
    catalogue = Catalogue.open(directory, manifest.encoder_version)
    rows = read_indexes(directory, manifest)
    # One number for each place, in the order on the disk: 2⁴⁰ bytes are far more than a shard.
    _, first = np.unique(rows["shard"].astype(np.uint64) << np.uint64(40) | rows["offset"], return_index=True)
    if not len(first) == len(catalogue) == manifest.records:
        raise CatalogueError(f"{directory} has {len(first)} records, its manifest says {manifest.records}; {MEND}")
    for start in range(0, len(first), RECORDS_READ):
        keys = [key.tobytes() for key in rows["key"][first[start : start + RECORDS_READ]]]
        catalogue.get(keys)
        advance(len(keys))
    if catalogue.damaged:
        raise CatalogueError(f"{directory}: {catalogue.damaged} of {len(first)} records are damaged; {MEND}")
    for name, file in manifest.files.items():
        if _sha256_of(directory / name) != file.sha256:
            raise CatalogueError(f"{directory / name} is not the file the manifest describes; {MEND}")
    return len(first)


def _sha256_of(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise CatalogueError(f"{path} cannot be read ({error.strerror}); {MEND}") from error
