"""Text to token ids, off the event loop: each query once, all unknown products of a body in one call."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from relevance.pair_encoding import EncodedText
from relevance.product import Product, field_text
from service.caches import TokenCache
from service.candidate_cache import CandidateCache
from service.pair import Pair, Pairing
from service.request import Candidate, Request

T = TypeVar("T")

INLINE_TEXTS = 12
INLINE_CHARS = 4_000
"""Up to here tokenising takes about a millisecond, which is not worth a thread's tenth of one. Both are needed: a
single text may be as long as the limits allow, and to count the characters of a thousand takes a while."""


@dataclass(frozen=True, slots=True)
class TextCaches:
    """Where texts are remembered; None: nowhere."""

    tokens: TokenCache | None = None
    candidates: CandidateCache | None = None


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
    """Encodes bodies with a bundle's pair rule."""

    def __init__(
        self,
        pairing: Pairing,
        threads: int,
        caches: TextCaches | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._encoder = pairing.encoder
        self._pairing = pairing
        self._caches = caches or TextCaches()
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tokenization")

    async def encode(self, requests: Sequence[Request], seconds_left: float = math.inf) -> EncodedRequests:
        """Encode every pair of `requests`, whose earliest deadline is `seconds_left` away."""
        started = self._clock()
        candidates = [candidate for request in requests for candidate in request.candidates]
        if new := [candidate for candidate in candidates if candidate.new]:
            await self._tokenize_new(new)
        queries = await self._queries([request.query for request in requests])
        remaining = iter(self._texts(candidates))
        products = [[next(remaining) for _ in request.candidates] for request in requests]
        pairs = await self._pairing.pairs(queries, products, seconds_left - (self._clock() - started))
        return EncodedRequests(pairs, started, self._clock())

    async def _tokenize_new(self, candidates: Sequence[Candidate]) -> None:
        """Give each its text, but those that are named by an id, and remember all."""
        sent = [(candidate, candidate.product) for candidate in candidates if candidate.product is not None]
        tokens, known = self._caches.tokens, self._caches.candidates
        products = [product for _, product in sent]
        texts = await self._products(products) if tokens is None else await self._cached(products, tokens)
        for (candidate, _), text in zip(sent, texts, strict=True):
            candidate.text = text
        if known is not None:
            known.put(candidates)

    def _texts(self, candidates: Sequence[Candidate]) -> list[EncodedText | None]:
        """Each candidate's text; None where it is named by an id that the catalogue does not know."""
        # Asked for before the lookup: what another catalogue says in between is then only looked for once more.
        catalogue = self._pairing.catalogue
        unsure = [one for one in candidates if one.by_id and (one.found is None or one.found[0] != catalogue)]
        if unsure:
            for one, text in zip(unsure, self._pairing.find([one.id or "" for one in unsure]), strict=True):
                one.found = None if text is None else (catalogue, text)
        return [one.text if one.found is None else one.found[1] for one in candidates]

    def close(self) -> None:
        """Free the threads."""
        self._threads.shutdown()
        self._pairing.close()

    async def _queries(self, queries: Sequence[str]) -> list[EncodedText]:
        if _short(queries):
            return self._encoder.encode_queries(queries)
        return await self._in_thread(self._encoder.encode_queries, queries)

    async def _products(self, products: Sequence[Product]) -> list[EncodedText]:
        if len(products) <= INLINE_TEXTS and _short(["".join(self._field_texts(product)) for product in products]):
            return self._encoder.encode_products(products)
        return await self._in_thread(self._encoder.encode_products, products)

    async def _in_thread(
        self, encode: Callable[[Sequence[T]], list[EncodedText]], texts: Sequence[T]
    ) -> list[EncodedText]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, encode, texts)

    async def _cached(self, products: Sequence[Product], cache: TokenCache) -> list[EncodedText]:
        keys = [self._field_texts(product) for product in products]
        texts = cache.get(keys)
        unknown = [row for row, text in enumerate(texts) if text is None]
        if unknown:
            encoded = await self._products([products[row] for row in unknown])
            cache.put([keys[row] for row in unknown], encoded)
            for row, text in zip(unknown, encoded, strict=True):
                texts[row] = text
        return [text for text in texts if text is not None]

    def _field_texts(self, product: Product) -> tuple[str, ...]:
        """All that the encoder reads of a product."""
        return tuple(field_text(product, budget.field) for budget in self._encoder.template.fields)


def _short(texts: Sequence[str]) -> bool:
    return len(texts) <= INLINE_TEXTS and sum(map(len, texts)) <= INLINE_CHARS
