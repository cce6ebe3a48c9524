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
from relevance.split_graphs import JOINT_OUTPUT
from relevance.split_inputs import encoder_inputs, joint_inputs, records_of
from relevance.split_pair import ProductText, SplitPairEncoder
from service.backend import BatchRun, Logits
from service.pair import Pair
from service.product_store import ProductStore
from service.row_groups import Grouping, row_groups
from service.split.pair import SPECIAL_TOKENS, QueryText, SplitPair
from service.split.query_cache import QueryCache

PAIRS_AT_ONCE = 50
"""Pairs in a run of the joint graph: of 17, 25, 50 and 100 the fastest under load, and no slower alone. Each run takes
the interpreter's lock from the event loop twice."""


@dataclass(frozen=True, slots=True)
class SplitSessions:
    """The graphs that run for pairs; the one for queries is behind `QueryCache`."""

    encoder: ort.InferenceSession
    joint: ort.InferenceSession
    grouping: Grouping = row_groups
    """Which products the encoder takes at once."""


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
        self, sessions: SplitSessions, queries: QueryCache, store: ProductStore, encoder: SplitPairEncoder
    ) -> None:
        self.encoded = EncodeTimes()
        self._sessions, self._queries, self._store, self._encoder = sessions, queries, store, encoder

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs in the calling thread."""
        started = time.monotonic()
        split = cast(Sequence[SplitPair], pairs)
        records = self._records(split, options)
        logits = np.empty(len(split), dtype=np.float32)
        for query, rows in groupby(range(len(split)), lambda row: split[row].query):
            own = list(rows)
            logits[own] = self._joint(query, [records[row] for row in own], options)
        tokens = sum(pair.cost for pair in split)
        return BatchRun(logits, started, time.monotonic(), tokens, tokens)

    def close(self) -> None:
        """It holds nothing that has to be given back."""

    def samples(self, length: int, count: int) -> Sequence[Pair]:
        """`count` pairs of products of `length` tokens that no tier knows."""
        ids = (0,) * max(1, length - SPECIAL_TOKENS)
        texts = [SampleText(ids, (), os.urandom(KEY_BYTES)) for _ in range(count)]
        return [SplitPair(QueryText((0,)), text, None) for text in texts]

    def _joint(self, query: QueryText, records: Sequence[ProductRecord], options: ort.RunOptions | None) -> Logits:
        known = self._queries.get(query.key, self._encoder.alone(query), options)
        logits = np.empty(len(records), dtype=np.float32)
        # Longest first, a part at a time: less padding, and a part's latents stay in a core's cache.
        order = sorted(range(len(records)), key=lambda row: -len(records[row]))
        for start in range(0, len(order), PAIRS_AT_ONCE):
            rows = order[start : start + PAIRS_AT_ONCE]
            inputs = joint_inputs(known.constants, known.ids, [records[row] for row in rows])
            logits[rows] = self._sessions.joint.run([JOINT_OUTPUT], inputs, options)[0][: len(rows)]
        return logits

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
        found: dict[int, ProductRecord] = {}
        for rows in self._sessions.grouping([len(own) for own in ids]):
            group, cut = [ids[row] for row in rows], [bool(texts[row].dropped) for row in rows]
            (latents,) = self._sessions.encoder.run(["latents"], encoder_inputs(group, self._encoder.pad_id), options)
            found.update(zip(rows, records_of(group, latents, cut), strict=True))
        records = [found[row] for row in range(len(texts))]
        real = [row for row, text in enumerate(texts) if not isinstance(text, SampleText)]
        self._store.put([texts[row].key for row in real], [records[row] for row in real])
        if real:
            self.encoded.add(len(real), time.monotonic() - started)
        return records
