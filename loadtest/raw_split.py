"""The ceiling of a split student: its joint graph driven directly, with queries and records computed beforehand."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from loadtest.raw_session import Drive
from loadtest.workload import Body
from relevance.bundle import SPLIT_PARTS, Bundle, Precision
from relevance.integer_products import ask_for_exact_products
from relevance.product import Product
from relevance.split_graphs import JOINT_OUTPUT
from relevance.split_inputs import Feed, encoder_inputs, joint_inputs, query_ids, records_of


class RawSplit:
    """The joint graph, and one feed for each of `bodies`."""

    def __init__(self, bundle: Bundle, bodies: Sequence[Body], precision: Precision = "int8") -> None:
        paths = {part: str(bundle.split_path(precision, part)) for part in SPLIT_PARTS}
        self._joint = paths["joint"]
        self._rule = bundle.pair_encoder()
        self._encoder, self._query = (_session(paths[part], 1) for part in ("encoder", "query"))
        self._feeds = [self._feed(body) for body in bodies]
        self._counts = [len(body["candidates"]) for body in bodies]

    def ceiling(self) -> Drive:
        """A worker of one thread for each core, each running whole requests."""
        return Drive(_session(self._joint, 1), len(os.sched_getaffinity(0)), 1, self._feeds, rows="product_latents")

    def logits(self) -> list[npt.NDArray[np.float32]]:
        """Logits (n,) of each body's candidates."""
        session = _session(self._joint, 1)
        # A lone candidate stands twice in its feed.
        return [
            np.asarray(session.run([JOINT_OUTPUT], feed)[0], dtype=np.float32).reshape(-1)[: self._counts[row]]
            for row, feed in enumerate(self._feeds)
        ]

    def runs(self) -> list[Callable[[], object]]:
        """A run of one thread for each of the bodies."""
        session = _session(self._joint, 1)
        return [partial(session.run, None, feed) for feed in self._feeds]

    def _feed(self, body: Mapping[str, Any]) -> Feed:
        (query,) = (self._rule.alone(text) for text in self._rule.encode_queries([body["query"]]))
        products = [Product.model_validate(candidate) for candidate in body["candidates"]]
        texts = [self._rule.alone(text) for text in self._rule.encode_products(products)]
        (hidden,) = self._encoder.run(["hidden"], encoder_inputs([query], self._rule.pad_id))
        values = self._query.run(None, {"hidden": hidden})
        constants = dict(zip((output.name for output in self._query.get_outputs()), values, strict=True))
        records = []
        for ids in texts:
            (latents,) = self._encoder.run(["latents"], encoder_inputs([ids], self._rule.pad_id))
            records += records_of([ids], latents, [False])
        return joint_inputs(constants, query_ids(query), records)


def _session(path: str, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    ask_for_exact_products(options)
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
