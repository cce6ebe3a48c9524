"""The tiers of the product store: each answers for itself what it holds, and counts hits and misses."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from relevance.catalogue import Catalogue
from relevance.product_record import ProductRecord
from service.caches import Lookups
from service.segmented_lru import SegmentedLru

RECORD_ENTRY_BYTES: Final = 550
"""Of one record's key, its objects and their places, beside its two arrays, as tracemalloc counts them."""

Element = TypeVar("Element", bound=np.generic)


class Tier(Protocol):
    """What can be asked for records."""

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where it has none or is away."""


class SharedTier(Tier, Protocol):
    """What replicas share, such as `service.redis_tier`: never needed, and away as often as it likes."""

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Give it records that were computed."""


class MemoryTier:
    """Bounded memory, scan-resistant and thread-safe."""

    def __init__(self, max_bytes: int) -> None:
        self.lookups = Lookups()
        self._lock = threading.Lock()
        self._records: SegmentedLru[ProductRecord] = SegmentedLru(max_bytes, _entry_bytes)

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return self._records.size_bytes

    @property
    def evictions(self) -> int:
        """Records that had to go since the start."""
        return self._records.evictions

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where it is not remembered."""
        with self._lock:
            records = [self._records.get(key) for key in keys]
            _count(self.lookups, records)
        return records

    def peek(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """As `get`, of keys that were asked for already: counted neither as hits nor as misses."""
        with self._lock:
            return [self._records.get(key) for key in keys]

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Remember records that own their memory."""
        with self._lock:
            for key, record in zip(keys, records, strict=True):
                self._records.put(key, record)


class CatalogueTier:
    """The catalogue at hand, if any; another can take its place at any time, between two lookups or during one."""

    def __init__(self, catalogue: Catalogue | None) -> None:
        self.lookups = Lookups()
        self.catalogue = catalogue
        self._damaged_before = 0
        self._lock = threading.Lock()

    @property
    def size_bytes(self) -> int:
        """Bytes of the catalogue's files: on disk, not in memory."""
        return self.catalogue.size_bytes if self.catalogue else 0

    @property
    def digest(self) -> str | None:
        """Of the catalogue at hand: another one has another."""
        catalogue = self.catalogue
        return catalogue.digest if catalogue else None

    @property
    def damaged(self) -> int:
        """Reads since the start that gave no whole record, of every catalogue that was used."""
        return self._damaged_before + (self.catalogue.damaged if self.catalogue else 0)

    def use(self, catalogue: Catalogue | None) -> None:
        """Look in this catalogue from the next lookup on. One that is running ends with the old one."""
        with self._lock:
            self._damaged_before, self.catalogue = self.damaged, catalogue

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where the catalogue does not hold it whole."""
        # Read once: this lookup stays with one catalogue, and holds its files open.
        catalogue = self.catalogue
        records: list[ProductRecord | None] = catalogue.get(keys) if catalogue else [None for _ in keys]
        with self._lock:
            _count(self.lookups, records)
        return records

    def find(self, ids: Sequence[str]) -> list[bytes | None]:
        """The key of each product id, None where the catalogue does not know it."""
        catalogue = self.catalogue
        # A row's id loses the white space around it when the catalogue is built (relevance/product_row.py).
        return catalogue.find([one.strip() for one in ids]) if catalogue else [None for _ in ids]


def _entry_bytes(record: ProductRecord) -> int:
    return record.nbytes + RECORD_ENTRY_BYTES


def _count(lookups: Lookups, records: Sequence[ProductRecord | None]) -> None:
    misses = records.count(None)
    lookups.hits += len(records) - misses
    lookups.misses += misses


def with_memory_of_its_own(record: ProductRecord) -> ProductRecord:
    """The same record in arrays that hold nothing else in memory, and that nobody can write to."""
    return replace(record, token_ids=_owned(record.token_ids), latents=_owned(record.latents))


def _owned(array: npt.NDArray[Element]) -> npt.NDArray[Element]:
    # A view into a batch's output would keep the whole batch in memory, beyond what is counted.
    return array if array.base is None and not array.flags.writeable else _frozen(array.copy())


def _frozen(array: npt.NDArray[Element]) -> npt.NDArray[Element]:
    array.flags.writeable = False
    return array
