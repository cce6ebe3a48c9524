"""The constants of a request: computed once for each query, and remembered while it is popular."""

from __future__ import annotations

import threading

import onnxruntime as ort
from cachetools import LRUCache

from service.caches import Lookups
from service.split.graphs import Query, SplitGraphs, Text


class QueryCache:
    """Query ids → constants. Thread-safe; the least recently used goes when `max_bytes` are full."""

    def __init__(self, graphs: SplitGraphs, max_bytes: int) -> None:
        self.lookups = Lookups()
        self._graphs = graphs
        self._lock = threading.Lock()
        self._known: LRUCache[bytes, Query] = LRUCache(max_bytes, lambda query: query.nbytes)

    @property
    def size_bytes(self) -> int:
        """Memory that the entries take."""
        return int(self._known.currsize)

    def knows(self, key: bytes) -> bool:
        """Whether the query is remembered now."""
        with self._lock:
            return key in self._known

    def get(self, key: bytes, ids: Text, options: ort.RunOptions | None = None) -> Query:
        """The constants of the query `ids`, special tokens included."""
        with self._lock:
            query = self._known.get(key)
            self.lookups.hits += query is not None
            self.lookups.misses += query is None
        if query is None:
            query = self._graphs.query(ids, options)
            with self._lock:
                if query.nbytes <= self._known.maxsize:
                    self._known[key] = query
        return query
