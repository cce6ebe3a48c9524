"""Candidates by the very bytes that they were sent as: a known one is neither parsed, checked nor tokenised again.

What is kept depends on those bytes, the template, the tokenizer and the limits alone, none of which changes while the
process runs. Of a candidate that is named by its id, the id is kept and what the catalogue said last: another catalogue
is asked anew.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from service.caches import Lookups
from service.request import Candidate
from service.segmented_lru import SegmentedLru

CANDIDATE_ENTRY_BYTES: Final = 700
"""Of a candidate's objects and their places in the cache, beside its bytes and token ids, as tracemalloc counts."""


class CandidateCache:
    """Bytes → candidate, bounded in bytes; a scan does not empty it. It belongs to the event loop's thread."""

    def __init__(self, max_bytes: int) -> None:
        self.lookups = Lookups()
        self._known: SegmentedLru[tuple[Candidate, int]] = SegmentedLru(max_bytes, itemgetter(1))

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return self._known.size_bytes

    @property
    def evictions(self) -> int:
        """Candidates that had to go since the start."""
        return self._known.evictions

    def get(self, raws: Sequence[bytes]) -> list[Candidate | None]:
        """The candidate of each of these, None where it is not known."""
        get = self._known.get
        found = [get(raw) for raw in raws]
        misses = found.count(None)
        self.lookups.misses += misses
        self.lookups.hits += len(found) - misses
        return [None if entry is None else entry[0] for entry in found]

    def put(self, candidates: Sequence[Candidate]) -> None:
        """Remember tokenised candidates, or such by an id, that have the bytes they came as."""
        for one in candidates:
            if one.raw is not None:
                # Nobody needs its fields any more, and they are the larger part of it.
                kept = Candidate(one.id, one.prior, one.guess, text=one.text)
                self._known.put(one.raw, (kept, _size_of(one.raw, kept)))


def _size_of(raw: bytes, candidate: Candidate) -> int:
    size = CANDIDATE_ENTRY_BYTES + len(raw) + len(candidate.id or "")
    if candidate.text is not None:
        # Token ids above 256 are objects of their own.
        size += len(candidate.text.ids) * (8 + sys.getsizeof(2**20))
    return size
