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
from service.pair import Pair
from service.sessions import Graph, open_session

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"


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

    def samples(self, length: int, count: int) -> Sequence[Pair]:
        """`count` pairs of `length` tokens."""
        return [EncodedPair((0,) * length, (0,) * length)] * count


def load_backend(graph: Graph, pad_id: int, layout: Layout, batch_seconds: float = math.inf) -> OnnxBackend:
    """Open a graph; BackendError if it does not work. Micro-batches longer than `batch_seconds` are given up."""
    session = open_session(graph, layout.threads)
    names = {node.name for node in session.get_inputs()}
    if names != set(INPUTS) or OUTPUT not in {node.name for node in session.get_outputs()}:
        raise BackendError(
            f"{graph.path} has inputs {sorted(names)}; it must have {sorted(INPUTS)} and an output '{OUTPUT}'"
        )
    return OnnxBackend(CrossEncoderRunner(session, pad_id), layout.sessions, batch_seconds)
