"""A least-recently-used cache in two segments, bounded in bytes, that a scan can not empty.

What is new enters on probation; only what is asked for again is protected. Entries that are seen once, however many,
push out one another. Two ordered dictionaries and no more: a hit is on the way of every pair.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

PROTECTED_SHARE: Final = 0.8
"""Of the bytes. The rest is for what has not been asked for twice yet."""

Value = TypeVar("Value")

_Segment = OrderedDict[bytes, tuple[Value, int]]


class SegmentedLru(Generic[Value]):
    """Key → value of a stated size. Not thread-safe: its owner holds the lock."""

    def __init__(self, max_bytes: int) -> None:
        self.evictions = 0
        self._max_bytes = max_bytes
        self._max_protected = int(max_bytes * PROTECTED_SHARE)
        self._probation: _Segment[Value] = OrderedDict()
        self._protected: _Segment[Value] = OrderedDict()
        self._bytes = self._protected_bytes = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    @property
    def size_bytes(self) -> int:
        """Stated sizes of all entries."""
        return self._bytes

    def get(self, key: bytes) -> Value | None:
        """The value of that key, which is protected from now on, or None."""
        entry = self._protected.get(key)
        if entry is not None:
            self._protected.move_to_end(key)
            return entry[0]
        entry = self._probation.pop(key, None)
        if entry is None:
            return None
        self._protect(key, entry)
        return entry[0]

    def put(self, key: bytes, value: Value, size: int) -> None:
        """Remember a value of `size` bytes on probation, if it is not known; what is larger than all is not kept.

        A known one stays as it is, where it is: a key is a digest of its value's content.
        """
        if size > self._max_bytes or key in self._protected or key in self._probation:
            return
        self._probation[key] = (value, size)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._evict()

    def _protect(self, key: bytes, entry: tuple[Value, int]) -> None:
        self._protected[key] = entry
        self._protected_bytes += entry[1]
        # What has lost its place goes back on probation, as the newest there.
        while self._protected_bytes > self._max_protected:
            demoted, its = self._protected.popitem(last=False)
            self._protected_bytes -= its[1]
            self._probation[demoted] = its

    def _evict(self) -> None:
        if self._probation:
            _, (_, size) = self._probation.popitem(last=False)
        else:
            _, (_, size) = self._protected.popitem(last=False)
            self._protected_bytes -= size
        self._bytes -= size
        self.evictions += 1
