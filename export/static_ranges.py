"""Fixed activation ranges in place of dynamic ones, so that a pair's score does not depend on its batch.

Dynamic quantisation takes one scale from the whole batch: a pair's logit moves with its neighbours. With a
fixed scale every product of integers is exact and all else is row by row, so that a pair has the same
logit alone, in any batch, and at any padding. It is faster too: nothing has to be searched for its largest
value. What lies outside of the range, which real pairs gave, is cut off at its end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.onnx_graph import MICROSOFT, replace_nodes
from export.range_feeds import Feed, Values, channel_ranges

STEPS = 255


def fix_ranges(graph: onnx.ModelProto, feeds: Sequence[Feed]) -> None:
    """Replace, in place, every DynamicQuantizeLinear by a QuantizeLinear with the range that `feeds` have there."""
    dynamic = [node for node in graph.graph.node if node.op_type == "DynamicQuantizeLinear"]
    ranges = channel_ranges(graph, list(dict.fromkeys(node.input[0] for node in dynamic)), feeds)
    replacements = _fused_products(graph)
    for node in dynamic:
        quantised, scale, zero_point = node.output
        graph.graph.initializer.extend(_range_constants(scale, zero_point, ranges[node.input[0]]))
        fixed = helper.make_node("QuantizeLinear", [node.input[0], scale, zero_point], [quantised], name=quantised)
        replacements[quantised] = [fixed]
    replace_nodes(graph, replacements)


def scale_of(low: float, high: float) -> tuple[np.float32, np.uint8]:
    """Scale and zero point of uint8 for values from `low` to `high`; zero is always among them, and exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32(max(high - low, float(np.finfo(np.float32).tiny) * STEPS) / STEPS)
    return scale, np.uint8(np.clip(round(-low / float(scale)), 0, STEPS))


def _range_constants(scale: str, zero_point: str, channels: tuple[Values, Values]) -> list[onnx.TensorProto]:
    """Initializers of these names for a whole activation, from the range of each of its channels."""
    low, high = channels
    values = scale_of(float(low.min()), float(high.max()))
    return [numpy_helper.from_array(np.array(v), name) for name, v in zip((scale, zero_point), values, strict=True)]


def _fused_products(graph: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    """Each MatMulInteger with its cast and its scaling as one MatMulIntegerToFloat: first output → replacement.

    ONNX Runtime fuses them itself only as long as the scale is computed at run time.
    """
    users: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
    made_by = {output: node for node in graph.graph.node for output in node.output}
    for node in graph.graph.node:
        for name in node.input:
            users[name].append(node)
    replacements: dict[str, list[onnx.NodeProto]] = {}
    for product in [node for node in graph.graph.node if node.op_type == "MatMulInteger"]:
        (cast,) = users[product.output[0]]
        (scaling,) = users[cast.output[0]]
        (scales,) = [made_by[name] for name in scaling.input if name != cast.output[0]]
        values, weights, values_zero, weights_zero = product.input
        inputs = [values, weights, *scales.input, values_zero, weights_zero]
        fused = helper.make_node(
            "MatMulIntegerToFloat", inputs, list(scaling.output), name=scaling.output[0], domain=MICROSOFT
        )
        replacements |= {node.output[0]: [] for node in (product, cast, scales)}
        replacements[scaling.output[0]] = [fused]
    return replacements
