"""Running a cross-encoder: query and product in one row of one graph."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import onnxruntime as ort

from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.pair_encoding import EncodedPair, PaddedBatch, pad_pairs
from service.autotune.tuning import Layout
from service.backend import BatchRun, Logits, OnnxBackend
from service.errors import BackendError
from service.gpu.binding import BindingRules
from service.gpu.bucket_runner import BucketRunner
from service.gpu.cuda_runtime import open_runtime
from service.gpu.shapes import Shapes
from service.pair import Pair, sample_pairs
from service.row_groups import Grouping, grouping_for, row_groups
from service.sessions import Graph, open_session


class CrossEncoderRunner:
    """Runs a graph with inputs (n, length) int64 `input_ids`, `attention_mask`, `token_type_ids`."""

    def __init__(self, session: ort.InferenceSession, pad_id: int, grouping: Grouping = row_groups) -> None:
        self._session = session
        self._pad_id = pad_id
        self._grouping = grouping

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs in the calling thread, on a CPU those of like length together."""
        started = time.monotonic()
        encoded = cast(Sequence[EncodedPair], pairs)
        logits = np.empty(len(encoded), dtype=np.float32)
        padded_tokens = 0
        for group in self._grouping([len(pair) for pair in encoded]):
            batch = pad_pairs([encoded[row] for row in group], self._pad_id)
            logits[group] = self._logits(batch, options)
            padded_tokens += batch.input_ids.size
        return BatchRun(logits, started, time.monotonic(), sum(map(len, encoded)), padded_tokens)

    def _logits(self, batch: PaddedBatch, options: ort.RunOptions | None) -> Logits:
        inputs = dict(zip(INPUTS, (batch.input_ids, batch.attention_mask, batch.token_type_ids), strict=True))
        (logits,) = self._session.run([OUTPUT], inputs, options)
        found = np.asarray(logits, dtype=np.float32).reshape(-1)
        if len(found) != len(batch.input_ids):
            raise BackendError(f"the graph gives {len(found)} logits for {len(batch.input_ids)} pairs")
        return found

    def close(self) -> None:
        """It holds nothing that has to be given back."""

    def samples(self, length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
        """`count` pairs of `length` tokens."""
        return sample_pairs(length, count, token_id)


def load_backend(graph: Graph, pad_id: int, layout: Layout, batch_seconds: float = math.inf) -> OnnxBackend:
    """Open a graph; BackendError if it does not work. Micro-batches longer than `batch_seconds` are given up."""
    return OnnxBackend(open_runner(graph, pad_id, layout.threads), layout.sessions, batch_seconds)


def open_runner(graph: Graph, pad_id: int, threads: int, spin_microseconds: int = 0) -> CrossEncoderRunner:
    """Open a graph in a session of so many threads; BackendError if it does not work."""
    return CrossEncoderRunner(_open(graph, threads, spin_microseconds), pad_id, grouping_for(graph.on_gpu))


def load_bucket_runner(graph: Graph, pad_id: int, threads: int, shapes: Shapes) -> BucketRunner:
    """Open a graph to run it in `shapes`, and warm them all; errors as of `load_backend`."""
    rules = BindingRules()
    if graph.on_gpu:
        rules = BindingRules("cuda", graph.gpu.cuda_graphs, open_runtime().pin)
    runner = BucketRunner(_open(graph, threads), pad_id, shapes, rules)
    try:
        runner.warm()
    except BaseException:
        runner.close()
        raise
    return runner


def _open(graph: Graph, threads: int, spin_microseconds: int = 0) -> ort.InferenceSession:
    session = open_session(graph, threads, spin_microseconds)
    names = {node.name for node in session.get_inputs()}
    if names != set(INPUTS) or OUTPUT not in {node.name for node in session.get_outputs()}:
        raise BackendError(
            f"{graph.path} has inputs {sorted(names)}; it must have {sorted(INPUTS)} and an output '{OUTPUT}': "
            "export the bundle again"
        )
    return session
