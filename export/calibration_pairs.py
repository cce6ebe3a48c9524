"""Real pairs to learn a graph's activations from: an even sample, each run alone, so that no padding is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper

from export.onnx_graph import INPUTS
from relevance.pair_encoding import EncodedPair, pad_pairs

MOST_PAIRS = 400
"""More pairs move no range: outliers are of a few channels and stand in nearly every pair."""

Values = npt.NDArray[np.float32]


def sample(pairs: Sequence[EncodedPair]) -> Sequence[EncodedPair]:
    """At most MOST_PAIRS of them, evenly spread."""
    step = -(-len(pairs) // MOST_PAIRS)
    return pairs[:: max(1, step)]


def channel_ranges(
    graph: onnx.ModelProto, names: Sequence[str], pairs: Sequence[EncodedPair]
) -> Mapping[str, tuple[Values, Values]]:
    """Lowest and highest value of every channel (the last axis) of these activations, over all tokens of `pairs`."""
    watched = onnx.ModelProto()
    watched.CopyFrom(graph)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, tuple[Values, Values]] = {}
    for feed in _feeds(pairs):
        for name, values in zip(names, session.run(list(names), feed), strict=True):
            rows = values.reshape(-1, values.shape[-1])
            low, high = rows.min(axis=0), rows.max(axis=0)
            known = ranges.get(name, (low, high))
            ranges[name] = (np.minimum(known[0], low), np.maximum(known[1], high))
    return ranges


def _feeds(pairs: Sequence[EncodedPair]) -> Iterator[dict[str, npt.NDArray[np.int64]]]:
    for pair in sample(pairs):
        batch = pad_pairs([pair], pad_id=0)
        yield {name: getattr(batch, name) for name in INPUTS}
