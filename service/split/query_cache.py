"""The constants of a request: computed once for each query, and remembered while it is popular."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from cachetools import LRUCache

from relevance.split_graphs import QUERY_INPUTS
from relevance.split_inputs import Constants, encoder_inputs, query_ids
from service.caches import Lookups

ENTRY_BYTES = 2_000
"""Of one query's key and the objects of its arrays, beside what these hold."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the joint graph reads of a query: its constants, and its ids as they are matched."""

    constants: Constants
    ids: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return ENTRY_BYTES + sum(array.nbytes for array in self.constants.values())


class QueryCache:
    """Query ids → constants. Thread-safe; the least recently used goes when `max_bytes` are full."""

    def __init__(self, encoder: ort.InferenceSession, constants: ort.InferenceSession, max_bytes: int) -> None:
        self.lookups = Lookups()
        self._encoder, self._query = encoder, constants
        self._names = [output.name for output in constants.get_outputs()]
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

    def get(self, key: bytes, ids: tuple[int, ...], options: ort.RunOptions | None = None) -> Query:
        """The constants of the query `ids`, special tokens included."""
        with self._lock:
            query = self._known.get(key)
            self.lookups.hits += query is not None
            self.lookups.misses += query is None
        if query is None:
            query = self._computed(ids, options)
            with self._lock:
                if query.nbytes <= self._known.maxsize:
                    self._known[key] = query
        return query

    def _computed(self, ids: tuple[int, ...], options: ort.RunOptions | None) -> Query:
        inputs: dict[str, Any] = encoder_inputs([ids], pad_id=0)
        (hidden,) = self._encoder.run(["hidden"], inputs, options)
        values = self._query.run(self._names, {QUERY_INPUTS[0]: hidden}, options)
        return Query(dict(zip(self._names, values, strict=True)), query_ids(ids))
