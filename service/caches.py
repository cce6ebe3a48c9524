"""What is remembered between requests, each bounded in bytes: product text → token ids, pair → logit.

Both give back exactly what was computed. Hits and misses are counted here and read by `/metrics`.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

from cachetools import LRUCache

from relevance.pair_encoding import EncodedText
from service.segmented_lru import SegmentedLru

SCORE_ENTRY_BYTES: Final = 280
"""Of one pair's key, logit, time of expiry, and their places in the cache's tables, as tracemalloc counts them."""

TOKEN_ENTRY_BYTES: Final = 400
"""The same for a product, beside its text and its token ids."""


@dataclass(slots=True)
class Lookups:
    """How often a cache was asked, and had the answer."""

    hits: int = 0
    misses: int = 0

    @property
    def hit_ratio(self) -> float:
        """Hits over lookups since the start; 0 before the first."""
        return self.hits / max(1, self.hits + self.misses)


class ScoreCache:
    """(model version, query, product) → logit, as the key that `service.pair_reuse` makes of them.

    What is seen once goes first when `max_bytes` are full; nothing is given out after `ttl_seconds`. It belongs to the
    event loop's thread. Every pair is looked up: a split student computes one in the time of a few lookups.
    """

    def __init__(self, max_bytes: int, ttl_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.lookups = Lookups()
        self._ttl_seconds, self._clock = ttl_seconds, clock
        self._logits: SegmentedLru[tuple[float, float]] = SegmentedLru(max_bytes, lambda _: SCORE_ENTRY_BYTES)

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return self._logits.size_bytes

    def get(self, keys: Sequence[bytes]) -> list[float | None]:
        """The logit of each pair, None where it is not known."""
        now, get = self._clock(), self._logits.get
        entries = [get(key) for key in keys]
        for key, entry in zip(keys, entries, strict=True):
            if entry is not None and entry[1] <= now:
                self._logits.discard(key)
        found = [entry[0] if entry is not None and entry[1] > now else None for entry in entries]
        misses = found.count(None)
        self.lookups.misses += misses
        self.lookups.hits += len(found) - misses
        return found

    def put(self, keys: Sequence[bytes], logits: Sequence[float]) -> None:
        """Remember logits that the model computed."""
        expires, put = self._clock() + self._ttl_seconds, self._logits.put
        for key, logit in zip(keys, logits, strict=True):
            put(key, (logit, expires))


class TokenCache:
    """Texts of a product's fields → token ids with the receipt of what was cut. Least recently used goes first.

    Thread-safe: bodies are tokenised in several threads.
    """

    def __init__(self, max_bytes: int) -> None:
        self.lookups = Lookups()
        self._lock = threading.Lock()
        self._texts: LRUCache[Hashable, tuple[EncodedText, int]] = LRUCache(max_bytes, _entry_bytes)

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return int(self._texts.currsize)

    def get(self, keys: Sequence[tuple[str, ...]]) -> list[EncodedText | None]:
        """The encoded text of each key, None where it is not known."""
        with self._lock:
            entries = [self._texts.get(key) for key in keys]
            hits = sum(entry is not None for entry in entries)
            self.lookups.hits += hits
            self.lookups.misses += len(entries) - hits
        return [None if entry is None else entry[0] for entry in entries]

    def put(self, keys: Sequence[tuple[str, ...]], texts: Sequence[EncodedText]) -> None:
        """Remember encoded texts; one that is larger than the whole cache is not kept."""
        with self._lock:
            for key, text in zip(keys, texts, strict=True):
                size = _size_of(key, text)
                if size <= self._texts.maxsize:
                    self._texts[key] = (text, size)


def _entry_bytes(entry: tuple[EncodedText, int]) -> int:
    return entry[1]


def _size_of(key: tuple[str, ...], text: EncodedText) -> int:
    # Token ids above 256 are objects of their own.
    ids = sys.getsizeof(text.ids) + len(text.ids) * sys.getsizeof(2**20)
    return TOKEN_ENTRY_BYTES + sum(map(sys.getsizeof, key)) + ids
