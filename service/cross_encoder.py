"""Running a cross-encoder: query and product in one row of one graph."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import cast

import numpy as np
import onnxruntime as ort

from relevance.pair_encoding import EncodedPair, pad_pairs
from service.autotune.tuning import Layout
from service.backend import BatchRun, OnnxBackend
from service.errors import BackendError
from service.gpu.binding import OUTPUT, BindingRules
from service.gpu.bucket_runner import BucketRunner
from service.gpu.cuda_runtime import open_runtime
from service.gpu.shapes import Shapes
from service.pair import Pair
from service.sessions import INPUTS, Graph, open_session


class CrossEncoderRunner:
    """Runs a graph with inputs (n, length) int64 `input_ids`, `attention_mask`, `token_type_ids`."""

    def __init__(self, session: ort.InferenceSession, pad_id: int) -> None:
        self._session = session
        self._pad_id = pad_id

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs in the calling thread."""
        started = time.monotonic()
        batch = pad_pairs(cast(Sequence[EncodedPair], pairs), self._pad_id)
        inputs = dict(zip(INPUTS, (batch.input_ids, batch.attention_mask, batch.token_type_ids), strict=True))
        (logits,) = self._session.run([OUTPUT], inputs, options)
        return BatchRun(
            logits=np.asarray(logits, dtype=np.float32).reshape(-1),
            started=started,
            finished=time.monotonic(),
            tokens=sum(map(len, pairs)),
            padded_tokens=batch.input_ids.size,
        )

    def close(self) -> None:
        """It holds nothing that has to be given back."""

    def samples(self, length: int, count: int) -> Sequence[Pair]:
        """`count` pairs of `length` tokens."""
        return [EncodedPair((0,) * length, (0,) * length)] * count


def load_backend(graph: Graph, pad_id: int, layout: Layout, batch_seconds: float = math.inf) -> OnnxBackend:
    """Open a graph; BackendError if it does not work. Micro-batches longer than `batch_seconds` are given up."""
    return OnnxBackend(CrossEncoderRunner(_open(graph, layout.threads), pad_id), layout.sessions, batch_seconds)


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


def _open(graph: Graph, threads: int) -> ort.InferenceSession:
    session = open_session(graph, threads)
    names = {node.name for node in session.get_inputs()}
    if names != set(INPUTS) or OUTPUT not in {node.name for node in session.get_outputs()}:
        raise BackendError(
            f"{graph.path} has inputs {sorted(names)}; it must have {sorted(INPUTS)} and an output '{OUTPUT}'"
        )
    return session
