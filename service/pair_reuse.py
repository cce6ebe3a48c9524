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
from service.pair import Pair
from service.source import Source

Waiter = tuple[Job, int]
"""A job and the index of one of its pairs."""


class PairKeys(Protocol):
    """Gives each pair a key of what the model reads, which differs between versions of the model."""

    def of(self, pairs: Sequence[Pair]) -> list[bytes]:
        """The key of each pair; an empty one for a MissingProduct."""


class CrossPairKeys:
    """A digest of a cross-encoder's one row."""

    def __init__(self, version: str) -> None:
        self._keys = ContentKeys(version)

    def of(self, pairs: Sequence[Pair]) -> list[bytes]:
        """The digests of (version, token ids, token types)."""
        return [self._key(pair) if isinstance(pair, EncodedPair) else b"" for pair in pairs]

    def _key(self, pair: EncodedPair) -> bytes:
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
        keys = self._keys_of[job] = self._keys.of(job.pairs)
        waiting = [row for row, key in enumerate(keys) if key]
        if self._cache is not None:
            logits = self._cache.get([keys[row] for row in waiting])
            known = {row: logit for row, logit in zip(waiting, logits, strict=True) if logit is not None}
            if known:
                job.record(known, dict.fromkeys(known, Source.SCORE_CACHE))
                waiting = [row for row in waiting if row not in known]
        for row in waiting:
            self._waiters[keys[row]].append((job, row))
        return waiting

    def leave(self, job: Job) -> None:
        """The job ended, however it did: it waits for nothing any more."""
        for row, key in enumerate(self._keys_of.pop(job)):
            if key in self._waiters:
                self._waiters[key] = [waiter for waiter in self._waiters[key] if waiter != (job, row)]
                if not self._waiters[key]:
                    del self._waiters[key]

    def claim(self, job: Job, rows: Sequence[int]) -> list[int]:
        """Those of the pairs that have to be computed now: not known, and not being computed for somebody else."""
        keys = self._keys_of.get(job)
        if keys is None:
            return []
        claimed = []
        for row in rows:
            key = keys[row]
            if key in self._waiters and key not in self._running:
                self._running.add(key)
                claimed.append(row)
        return claimed

    def computed(self, keys: Sequence[bytes], logits: Sequence[float]) -> dict[Job, dict[int, float]]:
        """Remember logits that the model computed, and return who waited for them: job → pair index → logit."""
        self._running.difference_update(keys)
        if self._cache is not None:
            self._cache.put(keys, logits)
        found: defaultdict[Job, dict[int, float]] = defaultdict(dict)
        for key, logit in zip(keys, logits, strict=True):
            for job, row in self._waiters.pop(key, ()):
                found[job][row] = logit
        return found

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
