"""No pair is computed twice: what is known is looked up, and identical pairs in flight share one computation.

A pair is what the model reads of it, its token ids: two products that differ only in what is cut are one.
Pure: no asyncio, no clock of its own. The batcher tells it what happens to each pair.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from relevance.pair_encoding import EncodedPair
from relevance.product_record import ContentKeys
from service.caches import ScoreCache
from service.job import Job
from service.pair import MissingProduct, Pair
from service.source import Source

Waiter = tuple[Job, int]
"""A job and the index of one of its pairs."""


class PairKeys(Protocol):
    """Gives each pair a key of what the model reads, which differs between versions of the model."""

    def key(self, pair: Pair) -> bytes:
        """The key of that pair."""


class CrossPairKeys:
    """A digest of a cross-encoder's one row."""

    def __init__(self, version: str) -> None:
        self._keys = ContentKeys(version)

    def key(self, pair: Pair) -> bytes:
        """The digest of (version, token ids, token types)."""
        assert isinstance(pair, EncodedPair)
        return self._keys.of(array("I", pair.ids).tobytes() + bytes(pair.type_ids))


class PairReuse:
    """Who waits for which pair. `cache` None: nothing is remembered beyond what is in flight."""

    def __init__(self, keys: PairKeys, cache: ScoreCache | None = None) -> None:
        self._keys = keys
        self._cache = cache
        self._keys_of: dict[Job, list[bytes]] = {}
        self._waiters: defaultdict[bytes, list[Waiter]] = defaultdict(list)
        self._running: set[bytes] = set()

    def enter(self, job: Job) -> list[int]:
        """Take in a submitted job: record what is known of it, and return the pairs that have to wait."""
        keys = [b"" if isinstance(pair, MissingProduct) else self._keys.key(pair) for pair in job.pairs]
        self._keys_of[job] = keys
        waiting = []
        for row, key in enumerate(keys):
            if isinstance(job.pairs[row], MissingProduct):
                continue
            logit = None if self._cache is None else self._cache.get(key)
            if logit is None:
                self._waiters[key].append((job, row))
                waiting.append(row)
            else:
                job.record(row, logit, Source.SCORE_CACHE)
        return waiting

    def leave(self, job: Job) -> None:
        """The job ended, however it did: it waits for nothing any more."""
        for row, key in enumerate(self._keys_of.pop(job)):
            if key in self._waiters:
                self._waiters[key] = [waiter for waiter in self._waiters[key] if waiter != (job, row)]
                if not self._waiters[key]:
                    del self._waiters[key]

    def claim(self, job: Job, row: int) -> bool:
        """Whether this pair has to be computed now: it is not known, and not being computed for somebody else."""
        keys = self._keys_of.get(job)
        if keys is None or keys[row] in self._running or keys[row] not in self._waiters:
            return False
        self._running.add(keys[row])
        return True

    def computed(self, key: bytes, logit: float) -> Sequence[Waiter]:
        """Remember a logit that the model computed, and return who waited for it."""
        self._running.discard(key)
        if self._cache is not None:
            self._cache.put(key, logit)
        return self._waiters.pop(key, ())

    def given_up(self, keys: Iterable[bytes]) -> dict[Job, list[int]]:
        """These pairs left a micro-batch without a logit; returns whose pairs must be queued again."""
        again: defaultdict[Job, list[int]] = defaultdict(list)
        for key in keys:
            self._running.discard(key)
            for job, row in self._waiters.get(key, ()):
                again[job].append(row)
        return dict(again)

    def keys_of(self, job: Job, rows: Sequence[int]) -> list[bytes]:
        """The keys of some of a job's pairs."""
        keys = self._keys_of[job]
        return [keys[row] for row in rows]
