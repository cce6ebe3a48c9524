"""Real inputs to learn a graph's activations from: an even sample, each run alone, so that no padding is among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper

from relevance.cross_encoder_graph import INPUTS
from relevance.pair_encoding import EncodedPair, pad_pairs

MOST_INPUTS = 400
"""More move no range: outliers are of a few channels and stand in nearly every text."""

Values = npt.NDArray[np.float32]
Feed = Mapping[str, npt.NDArray[Any]]
"""Arrays by the names of a graph's inputs."""
ItemT = TypeVar("ItemT")


def sample(items: Sequence[ItemT]) -> Sequence[ItemT]:
    """At most MOST_INPUTS of them, evenly spread."""
    step = -(-len(items) // MOST_INPUTS)
    return items[:: max(1, step)]


def pair_feeds(pairs: Sequence[EncodedPair]) -> list[Feed]:
    """A cross-encoder's inputs for a sample of `pairs`."""
    batches = [pad_pairs([pair], pad_id=0) for pair in sample(pairs)]
    return [{name: getattr(batch, name) for name in INPUTS} for batch in batches]


def channel_ranges(
    graph: onnx.ModelProto, names: Sequence[str], feeds: Sequence[Feed]
) -> Mapping[str, tuple[Values, Values]]:
    """Lowest and highest value of every channel (the last axis) of these activations, over all rows of `feeds`."""
    watched = onnx.ModelProto()
    watched.CopyFrom(graph)
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    ranges: dict[str, tuple[Values, Values]] = {}
    for feed in feeds:
        for name, values in zip(names, session.run(list(names), dict(feed)), strict=True):
            rows = values.reshape(-1, values.shape[-1])
            low, high = rows.min(axis=0), rows.max(axis=0)
            known = ranges.get(name, (low, high))
            ranges[name] = (np.minimum(known[0], low), np.maximum(known[1], high))
    return ranges
