"""The pairs of a split student: each side by itself, with the product's record where the store has it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from relevance.pair_encoding import EncodedText
from relevance.product_record import ContentKeys, ProductRecord
from relevance.split_pair import ProductText, SplitPairEncoder
from service.pair import UNKNOWN, UNREADABLE, Pair
from service.product_store import ProductStore
from service.split.pair import CatalogueText, QueryText, SplitPair, pair_cost
from service.split.query_cache import QueryCache

logger = logging.getLogger(__name__)

LOOKUP_SECONDS: Final = 0.5
"""Longest that a request waits for a disk or the network; then products that were sent whole are computed."""

LOOKUP_SHARE: Final = 0.5
"""Most of the time left that products sent whole wait so: they have to be computed in the rest."""

LEAST_SECONDS: Final = 0.005
"""Any lookup is given so long: a healthy disk needs no more."""

LOOKUP_THREADS: Final = 4

Records = list[ProductRecord | None]


class SplitPairing:
    """Looks the products of a body up. It belongs to the event loop; what may touch a disk goes to a thread."""

    def __init__(self, encoder: SplitPairEncoder, store: ProductStore, queries: QueryCache, version: str) -> None:
        self.encoder = encoder
        self.late_lookups = 0
        self._store = store
        self._queries = queries
        self._query_keys = ContentKeys(version)
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="catalogue")

    @property
    def catalogue(self) -> str | None:
        """The digest of the catalogue at hand."""
        return self._store.disk.digest

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """The key of each product of the catalogue as a text without tokens: its record has them."""
        keys = zip(ids, self._store.find(ids), strict=True)
        return [None if key is None else CatalogueText((), (), key, product_id) for product_id, key in keys]

    async def pairs(
        self,
        queries: Sequence[EncodedText],
        products: Sequence[Sequence[EncodedText | None]],
        seconds_left: float = math.inf,
    ) -> list[list[Pair]]:
        """For each query one pair for each of its products, as of `Pairing.pairs`; all are looked up together."""
        texts = [text for own in products for text in own if isinstance(text, ProductText)]
        records = self._store.memory.get([text.key for text in texts])
        if self._store.has_slower_tiers and None in records:
            await self._look_further(texts, records, _patience(texts, records, seconds_left))
        found = zip(texts, records, strict=True)
        return [self._of_query(query, own, found) for query, own in zip(queries, products, strict=True)]

    def close(self) -> None:
        """Free the threads; one that waits for a disk is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _of_query(
        self,
        query: EncodedText,
        products: Sequence[EncodedText | None],
        found: Iterator[tuple[ProductText, ProductRecord | None]],
    ) -> list[Pair]:
        keyed = QueryText(query.ids, query.dropped, self._query_keys.of(repr(query.ids).encode()))
        shared = pair_cost(keyed, len(products), known=self._queries.knows(keyed.key))
        pairs: list[Pair] = []
        for product in products:
            if product is None:
                pairs.append(UNKNOWN)
                continue
            text, record = next(found)
            lost = record is None and isinstance(text, CatalogueText)
            pairs.append(UNREADABLE if lost else SplitPair(keyed, text, record, shared))
        return pairs

    async def _look_further(self, texts: list[ProductText], records: Records, seconds: float) -> None:
        """Fill in what the tiers behind the memory hold, if they tell within so many seconds."""
        rows = [row for row, record in enumerate(records) if record is None]
        looking = asyncio.get_running_loop().run_in_executor(self._threads, self._look, [texts[row] for row in rows])
        try:
            # `wait_for` would go on when the client leaves as the lookup ends.
            async with asyncio.timeout(seconds):
                found = await looking
        except TimeoutError:
            self.late_lookups += 1
            logger.warning("a lookup of product records took too long", extra={"fields": {"products": len(rows)}})
            return
        for row, (text, record) in zip(rows, found, strict=True):
            texts[row], records[row] = text, record

    def _look(self, texts: Sequence[ProductText]) -> list[tuple[ProductText, ProductRecord | None]]:
        records = self._store.get_slower([text.key for text in texts])
        return [
            self._again(text) if record is None else (text, record) for text, record in zip(texts, records, strict=True)
        ]

    def _again(self, text: ProductText) -> tuple[ProductText, ProductRecord | None]:
        """A product by its id whose record was not found: another catalogue may have come since its key was."""
        if not isinstance(text, CatalogueText):
            return text, None
        (key,) = self._store.find([text.product_id])
        if key is None or key == text.key:
            return text, None
        (record,) = self._store.get([key])
        return CatalogueText((), (), key, text.product_id), record


def _patience(texts: Sequence[ProductText], records: Records, seconds_left: float) -> float:
    """How long to wait for the records that are missing.

    A product that was named by its id has nothing else to be scored by, whatever another request of the body wants.
    """
    if any(record is None and isinstance(text, CatalogueText) for text, record in zip(texts, records, strict=True)):
        return LOOKUP_SECONDS
    return min(LOOKUP_SECONDS, max(LEAST_SECONDS, LOOKUP_SHARE * seconds_left))


class SplitPairKeys:
    """A pair's key is that of its query and its product, side by side: nothing is hashed for each pair."""

    def of(self, pairs: Sequence[Pair]) -> list[bytes]:
        """32 bytes each."""
        return [pair.query.key + pair.product.key if isinstance(pair, SplitPair) else b"" for pair in pairs]
