"""Levels out the few channels that dominate an activation, so that int8 leaves the others enough steps.

Transformers have channels many times larger than the rest, in one or two tokens of every text (Dettmers et
al., LLM.int8(), 2022). One scale for the whole tensor then wastes its 255 steps on them. Such a channel is
divided by a factor, and its row of the weights is multiplied by the same: exact in fp32, after SmoothQuant
(Xiao et al., 2023), but for the outliers alone, and by a product of its own, since the layer norm that gives
the activation also feeds the residual.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.onnx_graph import replace_nodes
from export.range_feeds import Feed, Values, channel_ranges

LARGEST_CHANNEL = 4.0
"""What a channel may reach, in medians of the channels. Of 2, 3, 4, 5, 6, 8 the one that kept the ranking best."""


def smooth(graph: onnx.ModelProto, names: Collection[str], feeds: Sequence[Feed]) -> None:
    """Level out the inputs of the MatMul nodes of these names, in place. Their weights are initializers (k, n)."""
    products = [node for node in graph.graph.node if node.name in names]
    if not products:
        return
    ranges = channel_ranges(graph, list(dict.fromkeys(node.input[0] for node in products)), feeds)
    weights = {item.name: item for item in graph.graph.initializer}
    smoothed = {}
    for node in products:
        factors = smoothing_factors(*ranges[node.input[0]])
        item = weights[node.input[1]]
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) * factors[:, None], item.name))
        smoothed[node.output[0]] = [_divide_input(graph, node, factors), node]
    replace_nodes(graph, smoothed)


def smoothing_factors(low: Values, high: Values) -> Values:
    """Divisor (k,) of every channel: 1, or what brings an outlier down to LARGEST_CHANNEL medians."""
    reach = np.maximum(np.abs(low), np.abs(high))
    allowed = LARGEST_CHANNEL * float(np.median(reach))
    if not allowed:
        # Most channels are never used: there is nothing to make room for.
        return np.ones_like(reach)
    factors: Values = np.maximum(1.0, reach / allowed).astype(np.float32)
    return factors


def _divide_input(graph: onnx.ModelProto, node: onnx.NodeProto, factors: Values) -> onnx.NodeProto:
    """The product that divides the node's input; the node reads its result from here on."""
    source, inverse, divided = node.input[0], f"{node.output[0]}_inverse", f"{node.output[0]}_smoothed"
    graph.graph.initializer.append(numpy_helper.from_array((1 / factors).astype(np.float32), inverse))
    node.input[0] = divided
    return helper.make_node("Mul", [source, inverse], [divided], name=divided)
