"""Where a product's record is looked for: in bounded memory, in the catalogue, in a tier that replicas may share.

What is in none of them is computed: the store never waits for that, the caller does it and brings the records with
`put`. Keys are digests of content and encoder version, so no tier can hold a stale record, and memory stays valid when
the catalogue is exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from relevance.catalogue import Catalogue
from relevance.product_record import ProductRecord
from service.product_tiers import CatalogueTier, MemoryTier, SharedTier, Tier, with_memory_of_its_own


class ProductStore:
    """Keys → records, through all tiers. Thread-safe; each tier can be watched as a cache by the metrics."""

    def __init__(self, memory_bytes: int, catalogue: Catalogue | None = None, shared: SharedTier | None = None) -> None:
        self.memory: Final = MemoryTier(memory_bytes)
        self.disk: Final = CatalogueTier(catalogue)
        self.shared: Final = shared
        self._slower: tuple[Tier, ...] = (self.disk,) if shared is None else (self.disk, shared)

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where the caller must compute it. What came from a slower tier is remembered."""
        return self._look_behind_memory(keys, self.memory.get(keys))

    def _look_behind_memory(
        self, keys: Sequence[bytes], records: list[ProductRecord | None]
    ) -> list[ProductRecord | None]:
        missing = [at for at, record in enumerate(records) if record is None]
        for tier in self._slower:
            if not missing:
                break
            for at, record in zip(missing, tier.get([keys[at] for at in missing]), strict=True):
                records[at] = record
            found = [(keys[at], record) for at in missing if (record := records[at]) is not None]
            self.memory.put([key for key, _ in found], [record for _, record in found])
            missing = [at for at in missing if records[at] is None]
        return records

    @property
    def has_slower_tiers(self) -> bool:
        """Whether `get_slower` can find anything."""
        return self.shared is not None or self.disk.catalogue is not None

    def get_slower(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """As `get`, of keys that the memory was asked for already; may wait for a disk or the network."""
        return self._look_behind_memory(keys, [None] * len(keys))

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Remember records that were computed."""
        own = [with_memory_of_its_own(record) for record in records]
        self.memory.put(keys, own)
        if self.shared is not None:
            self.shared.put(keys, own)

    def find(self, ids: Sequence[str]) -> list[bytes | None]:
        """The key of each product id, None where the catalogue does not know it."""
        return self.disk.find(ids)

    def use(self, catalogue: Catalogue | None) -> None:
        """Look in this catalogue from the next lookup on. One that is running ends with the old one."""
        self.disk.use(catalogue)
