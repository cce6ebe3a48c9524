"""The pairs of a split student: each side by itself, with the product's record where the store has it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from relevance.pair_encoding import EncodedText
from relevance.product_record import KEY_BYTES, ProductRecord
from relevance.split_pair import ProductText, SplitPairEncoder
from service.pair import UNKNOWN, Pair
from service.product_store import ProductStore

KNOWN_COST: Final = 1
"""Tokens' worth of work for a pair whose record is known; the encoder would compute some dozen tokens of it."""


@dataclass(frozen=True, slots=True)
class QueryText(EncodedText):
    """A query's token ids, with a key of these and the model's version."""

    key: bytes = b""


@dataclass(frozen=True, slots=True)
class CatalogueText(ProductText):
    """A product that was named by its id: only the catalogue's record has its tokens."""


@dataclass(slots=True, eq=False)
class SplitPair:
    """One pair; `record` None: the product has to be encoded first."""

    query: QueryText
    product: ProductText
    record: ProductRecord | None
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.cost = len(self.product.ids) if self.record is None else KNOWN_COST

    def __len__(self) -> int:
        # A record counts the special tokens at its ends, a text does not.
        return len(self.query.ids) + (len(self.product.ids) if self.record is None else len(self.record) - 2)

    @property
    def dropped(self) -> tuple[tuple[str, int], ...]:
        """What the template's budgets cut of both sides; a record remembers only that something was, not how much."""
        cut = self.product.dropped
        if isinstance(self.product, CatalogueText) and self.record is not None and self.record.truncated:
            cut = (("product", 0),)
        return self.query.dropped + cut


class SplitPairing:
    """Looks the products of a request up. It belongs to the event loop; what may touch a disk goes to a thread."""

    def __init__(
        self, encoder: SplitPairEncoder, store: ProductStore, version: str, threads: ThreadPoolExecutor
    ) -> None:
        self.encoder = encoder
        self._store = store
        self._version = hashlib.blake2b(version.encode(), digest_size=32).digest()
        self._threads = threads

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """The key of each product of the catalogue as a text without tokens: its record has them."""
        return [None if key is None else CatalogueText((), (), key) for key in self._store.find(ids)]

    async def pairs(self, query: EncodedText, products: Sequence[EncodedText | None]) -> list[Pair]:
        """One pair for each product, in their order; UNKNOWN where there is none, or no record to an id."""
        texts = [product for product in products if isinstance(product, ProductText)]
        keyed = QueryText(query.ids, query.dropped, self._query_key(query))
        records = self._store.memory.get([text.key for text in texts])
        if self._store.has_slower_tiers and None in records:
            await self._look_further(texts, records)
        made = (
            UNKNOWN if record is None and isinstance(text, CatalogueText) else SplitPair(keyed, text, record)
            for text, record in zip(texts, records, strict=True)
        )
        return (
            list(made)
            if len(texts) == len(products)
            else [UNKNOWN if text is None else next(made) for text in products]
        )

    async def _look_further(self, texts: Sequence[ProductText], records: list[ProductRecord | None]) -> None:
        """Fill in what the tiers behind the memory hold."""
        rows = [row for row, record in enumerate(records) if record is None]
        keys = [texts[row].key for row in rows]
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._store.get_slower, keys)
        for row, record in zip(rows, found, strict=True):
            records[row] = record

    def _query_key(self, query: EncodedText) -> bytes:
        ids = repr(query.ids).encode()
        return hashlib.blake2b(ids, digest_size=KEY_BYTES, key=self._version).digest()


class SplitPairKeys:
    """A pair's key is that of its query and its product, side by side: nothing is hashed for each pair."""

    def key(self, pair: Pair) -> bytes:
        """32 bytes."""
        assert isinstance(pair, SplitPair)
        return pair.query.key + pair.product.key
