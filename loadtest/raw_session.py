"""The raw ceiling: the bundle's graph driven directly, with pairs tokenised and padded beforehand."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from relevance.bundle import load_bundle
from relevance.pair_encoding import EncodedPair, PairEncoder, pad_pairs
from relevance.product import Product

TRIAL_SECONDS = 2.5
PAIRS_PER_BATCH = (8, 16, 32)

Feed = dict[str, npt.NDArray[np.int64]]


class RawCeiling:
    """Tries one wide session and several narrow ones, at several batch sizes, and keeps the fastest."""

    def __init__(self, bundle_directory: Path, bodies: Sequence[Mapping[str, Any]]) -> None:
        bundle = load_bundle(bundle_directory)
        encoder = bundle.pair_encoder()
        pairs = sorted((pair for body in bodies for pair in _pairs(encoder, body)), key=len)
        self.mean_tokens = float(np.mean([len(pair) for pair in pairs]))
        cores = len(os.sched_getaffinity(0))
        graph = bundle.graph_path("int8")
        drives = []
        for workers in sorted({1, cores}):
            session = _session(graph, threads=cores // workers)
            for size in PAIRS_PER_BATCH:
                drives.append((session, workers, _feeds(pairs, size, encoder.pad_id)))
        speeds = [_speed(session, workers, feeds, TRIAL_SECONDS) for session, workers, feeds in drives]
        self._best = drives[int(np.argmax(speeds))]
        size = len(self._best[2][0]["input_ids"])
        self.best_drive = f"{self._best[1]} worker(s), {size} pairs a batch"

    def pairs_per_second(self, seconds: float) -> float:
        """Measure the best way for `seconds`."""
        return _speed(*self._best, seconds)


def _pairs(encoder: PairEncoder, body: Mapping[str, Any]) -> list[EncodedPair]:
    query = encoder.encode_queries([body["query"]])[0]
    products = [Product.model_validate(candidate) for candidate in body["candidates"]]
    return [encoder.pair(query, product) for product in encoder.encode_products(products)]


def _feeds(pairs: Sequence[EncodedPair], size: int, pad_id: int) -> list[Feed]:
    batches = [pad_pairs(pairs[start : start + size], pad_id) for start in range(0, len(pairs) - size + 1, size)]
    names = ("input_ids", "attention_mask", "token_type_ids")
    return [{name: getattr(batch, name) for name in names} for batch in batches]


def _session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def _speed(session: onnxruntime.InferenceSession, workers: int, feeds: Sequence[Feed], seconds: float) -> float:
    """Pairs per second over at least `seconds`, with `workers` threads each going through the feeds."""
    size = len(feeds[0]["input_ids"])
    started = time.perf_counter()

    def work(number: int) -> int:
        done, turn = 0, number
        while time.perf_counter() - started < seconds:
            session.run(None, feeds[turn % len(feeds)])
            done, turn = done + size, turn + workers
        return done

    with ThreadPoolExecutor(workers) as pool:
        done = sum(pool.map(work, range(workers)))
    return done / (time.perf_counter() - started)
