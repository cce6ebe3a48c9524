"""Text to token ids, off the event loop: each query once, all unknown products of a body in one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from relevance.pair_encoding import EncodedText
from relevance.product import Product, field_text
from service.caches import TokenCache
from service.pair import Pair, Pairing
from service.schemas import KnownProduct, ScoreRequest

INLINE_CANDIDATES = 4
"""Up to here tokenising takes less time than handing it to a thread and back."""


@dataclass(frozen=True, slots=True)
class EncodedRequests:
    """`pairs[i]` are the pairs of request i, in the order of its candidates. Times are in the clock's seconds."""

    pairs: list[list[Pair]]
    started: float
    finished: float

    @property
    def tokens(self) -> int:
        """Tokens that have to be computed for all pairs."""
        return sum(pair.cost for pairs in self.pairs for pair in pairs)


class Tokenization:
    """Encodes bodies with a bundle's pair rule. `cache` None: every product is tokenised every time."""

    def __init__(
        self,
        pairing: Pairing,
        threads: int,
        cache: TokenCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._encoder = pairing.encoder
        self._pairing = pairing
        self._cache = cache
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tokenization")

    async def encode(self, requests: Sequence[ScoreRequest]) -> EncodedRequests:
        """Encode every pair of `requests`."""
        started = self._clock()
        candidates = [candidate for request in requests for candidate in request.candidates]
        texts = await self._texts(candidates)
        queries = self._encoder.encode_queries([request.query for request in requests])
        remaining = iter(texts)
        products = [[next(remaining) for _ in request.candidates] for request in requests]
        pairs = await self._pairing.pairs(queries, products)
        return EncodedRequests(pairs, started, self._clock())

    async def _texts(self, candidates: Sequence[Product | KnownProduct]) -> list[EncodedText | None]:
        """Each candidate's text; None where it is named by an id that the catalogue does not know."""
        products = [candidate for candidate in candidates if isinstance(candidate, Product)]
        encoded = await self._products(products) if self._cache is None else await self._cached(products, self._cache)
        if len(products) == len(candidates):
            return list(encoded)
        known = [candidate.id for candidate in candidates if isinstance(candidate, KnownProduct)]
        sent, found = iter(encoded), iter(self._pairing.find(known))
        return [next(sent) if isinstance(candidate, Product) else next(found) for candidate in candidates]

    def close(self) -> None:
        """Free the threads."""
        self._threads.shutdown()
        self._pairing.close()

    async def _products(self, products: Sequence[Product]) -> list[EncodedText]:
        if len(products) <= INLINE_CANDIDATES:
            return self._encoder.encode_products(products)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._encoder.encode_products, products)

    async def _cached(self, products: Sequence[Product], cache: TokenCache) -> list[EncodedText]:
        keys = [self._read_texts(product) for product in products]
        texts = cache.get(keys)
        unknown = [row for row, text in enumerate(texts) if text is None]
        if unknown:
            encoded = await self._products([products[row] for row in unknown])
            cache.put([keys[row] for row in unknown], encoded)
            for row, text in zip(unknown, encoded, strict=True):
                texts[row] = text
        return [text for text in texts if text is not None]

    def _read_texts(self, product: Product) -> tuple[str, ...]:
        """All that the encoder reads of a product."""
        return tuple(field_text(product, budget.field) for budget in self._encoder.template.fields)
