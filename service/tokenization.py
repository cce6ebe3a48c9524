"""Text to token ids, off the event loop: each query once, all products of a body in one call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from relevance.pair_encoding import EncodedPair, PairEncoder
from service.schemas import ScoreRequest

INLINE_CANDIDATES = 4
"""Up to here tokenising takes less time than handing it to a thread and back."""


@dataclass(frozen=True, slots=True)
class EncodedRequests:
    """`pairs[i]` are the pairs of request i, in the order of its candidates; `seconds` is what it took."""

    pairs: list[list[EncodedPair]]
    seconds: float

    @property
    def tokens(self) -> int:
        """Tokens of all pairs."""
        return sum(len(pair) for pairs in self.pairs for pair in pairs)


class Tokenization:
    """Encodes bodies with a bundle's pair rule."""

    def __init__(self, encoder: PairEncoder, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._encoder = encoder
        self._clock = clock
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="tokenization")

    async def encode(self, requests: Sequence[ScoreRequest]) -> EncodedRequests:
        """Encode every pair of `requests`."""
        started = self._clock()
        if sum(len(request.candidates) for request in requests) <= INLINE_CANDIDATES:
            pairs = self._encode(requests)
        else:
            pairs = await asyncio.get_running_loop().run_in_executor(self._threads, self._encode, requests)
        return EncodedRequests(pairs, self._clock() - started)

    def close(self) -> None:
        """Free the threads."""
        self._threads.shutdown()

    def _encode(self, requests: Sequence[ScoreRequest]) -> list[list[EncodedPair]]:
        queries = self._encoder.encode_queries([request.query for request in requests])
        products = iter(self._encoder.encode_products([product for r in requests for product in r.candidates]))
        return [
            [self._encoder.pair(query, next(products)) for _ in request.candidates]
            for query, request in zip(queries, requests, strict=True)
        ]
