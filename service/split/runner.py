"""A micro-batch of a split student: what is missing is encoded, then each query's products are scored."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import cast

import numpy as np
import onnxruntime as ort

from relevance.product_record import KEY_BYTES, ProductRecord
from relevance.split_pair import ProductText, SplitPairEncoder
from service.backend import BatchRun
from service.pair import Pair
from service.product_store import ProductStore
from service.split.graphs import SplitGraphs
from service.split.pair import SPECIAL_TOKENS, QueryText, SplitPair
from service.split.query_cache import QueryCache


class EncodeTimes:
    """What products cost that no tier held. Thread-safe."""

    def __init__(self) -> None:
        self.products = 0
        self.seconds = 0.0
        self._lock = threading.Lock()

    def add(self, products: int, seconds: float) -> None:
        """So many were encoded in one run."""
        with self._lock:
            self.products += products
            self.seconds += seconds


@dataclass(frozen=True, slots=True)
class SampleText(ProductText):
    """A made-up product, to measure with: it is not remembered."""


class SplitRunner:
    """Scores micro-batches, in any number of threads."""

    def __init__(
        self, graphs: SplitGraphs, queries: QueryCache, store: ProductStore, encoder: SplitPairEncoder
    ) -> None:
        self.encoded = EncodeTimes()
        self.graphs = graphs
        self._queries, self._store, self._encoder = queries, store, encoder

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs in the calling thread."""
        started = time.monotonic()
        split = cast(Sequence[SplitPair], pairs)
        records = self._records(split, options)
        logits = np.empty(len(split), dtype=np.float32)
        for query, rows in groupby(range(len(split)), lambda row: split[row].query):
            own = list(rows)
            known = self._queries.get(query.key, self._encoder.alone(query), options)
            logits[own] = self.graphs.logits(known, [records[row] for row in own], options)
        tokens = sum(pair.cost for pair in split)
        return BatchRun(logits, started, time.monotonic(), tokens, padded_tokens=None)

    def close(self) -> None:
        """No more will be run."""
        self.graphs.close()

    def samples(self, length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
        """`count` pairs of products of `length` tokens that no tier knows."""
        ids = (token_id,) * max(1, length - SPECIAL_TOKENS)
        texts = [SampleText(ids, (), os.urandom(KEY_BYTES)) for _ in range(count)]
        return [SplitPair(QueryText((token_id,)), text, None) for text in texts]

    def _records(self, pairs: Sequence[SplitPair], options: ort.RunOptions | None) -> list[ProductRecord]:
        """Each pair's record. Another request may have had a product encoded since this one looked."""
        missing = {pair.product.key: pair.product for pair in pairs if pair.record is None}
        found: dict[bytes, ProductRecord] = {}
        if missing:
            keys = list(missing)
            known = zip(keys, self._store.memory.peek(keys), strict=True)
            found = {key: record for key, record in known if record is not None}
            unknown = [missing[key] for key in keys if key not in found]
            found.update(zip((text.key for text in unknown), self._encode(unknown, options), strict=True))
        return [found[pair.product.key] if pair.record is None else pair.record for pair in pairs]

    def _encode(self, texts: Sequence[ProductText], options: ort.RunOptions | None) -> list[ProductRecord]:
        if not texts:
            return []
        started = time.monotonic()
        ids = [self._encoder.alone(text) for text in texts]
        records = self.graphs.records(ids, [bool(text.dropped) for text in texts], options)
        real = [row for row, text in enumerate(texts) if not isinstance(text, SampleText)]
        self._store.put([texts[row].key for row in real], [records[row] for row in real])
        if real:
            self.encoded.add(len(real), time.monotonic() - started)
        return records
