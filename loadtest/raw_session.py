"""The raw ceiling: the bundle's graph driven directly, with pairs tokenised and padded beforehand."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from loadtest.measured import Measured
from relevance.bundle import Bundle
from relevance.cross_encoder_graph import INPUTS
from relevance.integer_products import ask_for_exact_products
from relevance.pair_encoding import EncodedPair, PairEncoder, pad_pairs
from relevance.product import Product

PAIRS_PER_BATCH = (8, 16, 32)

Feed = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Drive:
    """One way to run the graph: `workers` threads, each of which runs `feeds` through the one session."""

    session: onnxruntime.InferenceSession
    workers: int
    threads: int
    feeds: Sequence[Feed] = field(repr=False)
    rows: str = INPUTS[0]
    """The input that has one row for each pair."""

    @property
    def batch(self) -> int:
        """Pairs in one run of the graph."""
        return len(self.feeds[0][self.rows])

    def __str__(self) -> str:
        return f"{self.workers} worker(s) of {self.threads} thread(s), {self.batch} pair(s) a batch"

    def measure(self, seconds: float) -> Measured:
        """Run for at least `seconds`; a latency is that of one batch."""
        started = time.perf_counter()

        def work(number: int) -> list[float]:
            took: list[float] = []
            turn, before = number, time.perf_counter()
            while before - started < seconds:
                self.session.run(None, self.feeds[turn % len(self.feeds)])
                turn, now = turn + self.workers, time.perf_counter()
                took.append(now - before)
                before = now
            return took

        with ThreadPoolExecutor(self.workers) as pool:
            latencies = [latency for own in pool.map(work, range(self.workers)) for latency in own]
        return Measured(self.batch * len(latencies), time.perf_counter() - started, latencies)


class RawSessions:
    """The graph, and the pairs of `bodies` as the service would tokenise them."""

    def __init__(self, bundle: Bundle, bodies: Iterable[Mapping[str, Any]]) -> None:
        self._graph = bundle.graph_path("int8")
        encoder = bundle.pair_encoder()
        self._pad_id = encoder.pad_id
        self._pairs = [pair for body in bodies for pair in pairs_of(encoder, body)]
        self.mean_tokens = float(np.mean([len(pair) for pair in self._pairs]))

    def ceiling(self, trial_seconds: float) -> Drive:
        """The fastest for throughput of one wide session and one narrow worker a core, at several batch sizes."""
        cores = len(os.sched_getaffinity(0))
        ordered = sorted(self._pairs, key=len)
        ways = [(workers, cores // workers, size) for workers in sorted({1, cores}) for size in PAIRS_PER_BATCH]
        return fastest([self._drive(way, ordered) for way in ways], trial_seconds)

    def one_pair(self, trial_seconds: float) -> Drive:
        """The fastest for one pair at a time: on one thread, or on as many as there are cores."""
        widths = sorted({1, len(os.sched_getaffinity(0))})
        return fastest([self._drive((1, threads, 1), self._pairs) for threads in widths], trial_seconds)

    def _drive(self, way: tuple[int, int, int], pairs: Sequence[EncodedPair]) -> Drive:
        workers, threads, size = way
        return Drive(cpu_session(self._graph, threads), workers, threads, _feeds(pairs, size, self._pad_id))


def fastest(drives: Sequence[Drive], seconds: float) -> Drive:
    """The one with the most pairs per second, each tried for so long."""
    return max(drives, key=lambda drive: drive.measure(seconds).pairs_per_second)


def pairs_of(encoder: PairEncoder, body: Mapping[str, Any]) -> list[EncodedPair]:
    """A body's pairs as the service would encode them."""
    query = encoder.encode_queries([body["query"]])[0]
    products = [Product.model_validate(candidate) for candidate in body["candidates"]]
    return encoder.pairs(query, encoder.encode_products(products))


def _feeds(pairs: Sequence[EncodedPair], size: int, pad_id: int) -> list[Feed]:
    batches = [pad_pairs(pairs[start : start + size], pad_id) for start in range(0, len(pairs) - size + 1, size)]
    # In the order of their lengths, a measurement shorter than all of them would be one of short pairs.
    random.Random(0).shuffle(batches)
    return [{name: getattr(batch, name) for name in INPUTS} for batch in batches]


def cpu_session(graph: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session of that many threads on the CPU, with the products of integers that serving computes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    ask_for_exact_products(options)
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
