"""A least-recently-used cache in two segments, bounded in bytes, that a scan can not empty.

What is new enters on probation; only what is asked for again is protected. Entries that are seen once, however many,
push out one another. Two ordered dictionaries and no more: a hit is on the way of every pair.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

PROTECTED_SHARE: Final = 0.8
"""Of the bytes. The rest is for what has not been asked for twice yet."""

Value = TypeVar("Value")

Segment = OrderedDict[bytes, Value]


class SegmentedLru(Generic[Value]):
    """Key → value, whose size `size_of` gives and which never changes. Not thread-safe: its owner holds the lock."""

    def __init__(self, max_bytes: int, size_of: Callable[[Value], int]) -> None:
        self.evictions = 0
        self._max_bytes, self._size_of = max_bytes, size_of
        self._max_protected = int(max_bytes * PROTECTED_SHARE)
        self._probation: Segment[Value] = OrderedDict()
        self._protected: Segment[Value] = OrderedDict()
        self._bytes = self._protected_bytes = 0

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    @property
    def size_bytes(self) -> int:
        """Sizes of all entries."""
        return self._bytes

    def get(self, key: bytes) -> Value | None:
        """The value of that key, which is protected from now on, or None."""
        value = self._protected.get(key)
        if value is not None:
            self._protected.move_to_end(key)
            return value
        value = self._probation.pop(key, None)
        if value is not None:
            self._protect(key, value)
        return value

    def put(self, key: bytes, value: Value) -> None:
        """Remember a value on probation, if it is not known; what is larger than the whole cache is not kept.

        A known one stays as it is, where it is: equal keys mean equal values.
        """
        size = self._size_of(value)
        if size > self._max_bytes or key in self._protected or key in self._probation:
            return
        self._probation[key] = value
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._evict()

    def discard(self, key: bytes) -> None:
        """Forget the value of that key, if there is one."""
        for segment in (self._probation, self._protected):
            if (value := segment.pop(key, None)) is not None:
                size = self._size_of(value)
                self._bytes -= size
                self._protected_bytes -= size if segment is self._protected else 0

    def _protect(self, key: bytes, value: Value) -> None:
        self._protected[key] = value
        self._protected_bytes += self._size_of(value)
        # What has lost its place goes back on probation, as the newest there.
        while self._protected_bytes > self._max_protected:
            demoted, its = self._protected.popitem(last=False)
            self._protected_bytes -= self._size_of(its)
            self._probation[demoted] = its

    def _evict(self) -> None:
        # The protected ones alone never fill the cache, so somebody is on probation.
        _, value = self._probation.popitem(last=False)
        self._bytes -= self._size_of(value)
        self.evictions += 1
