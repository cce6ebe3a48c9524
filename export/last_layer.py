"""The last layer for [CLS] alone: the pooler reads no other token's row of it, so the logit stays the same.

Keys and values are still those of all tokens. Queries, the attention's output and the feed-forward work row by row, and
are computed for one row a pair. A fused graph in fp32 can be rewritten, and one in int8 with fixed ranges, whose
integer products stay the very same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from export.errors import GraphError
from export.one_query import one_query_attention
from export.onnx_graph import drop_unused, replace_nodes, take_rows

NORMS: Final = {"LayerNormalization", "SkipLayerNormalization"}
MATRIX_PRODUCTS: Final = {"MatMul", "MatMulIntegerToFloat", "QuantizeLinear"}
ROW_BY_ROW: Final = frozenset({*MATRIX_PRODUCTS, "Add", "Mul", "Sum", "Gelu", "BiasGelu", *NORMS})
"""What may stand between attention and pooler: a row of the output needs that row of the inputs alone."""

Tensors = Mapping[str, onnx.TensorProto]
"""A graph's constants by name."""


@dataclass(frozen=True, slots=True)
class LastLayer:
    """The last attention, and the nodes between it and the pooler."""

    attention: onnx.NodeProto
    followers: Sequence[onnx.NodeProto]


def last_layer_for_cls(graph: onnx.ModelProto) -> None:
    """Rewrite a fused cross-encoder in place. GraphError if more of its last layer is read than the first row."""
    layer = find_last_layer(graph)
    rows = {name: f"{name}_first" for name in (layer.attention.input[0], *_residuals(graph, layer))}
    # They keep their axis, so that the pooler finds row 0 where it was.
    gathers = [take_rows(graph, name, [0], row) for name, row in rows.items()]
    replacements = {node.output[0]: [_reading(node, rows)] for node in layer.followers}
    attention = one_query_attention(graph, layer.attention, rows[layer.attention.input[0]])
    replacements[layer.attention.output[0]] = [*gathers, *attention]
    replace_nodes(graph, replacements)
    drop_unused(graph)


def find_last_layer(graph: onnx.ModelProto) -> LastLayer:
    """The last attention and what follows it up to the pooler; GraphError if anything reads its other rows."""
    nodes, constants = list(graph.graph.node), _constants(graph)
    places = [place for place, node in enumerate(nodes) if node.op_type in ("Attention", "QAttention")]
    if not places:
        raise GraphError("the graph has no fused attention over all tokens; fuse it first, and rewrite it only once")
    attention = nodes[places[-1]]
    reached, followers = {attention.output[0]}, []
    for node in nodes[places[-1] + 1 :]:
        if reached.isdisjoint(node.input) or _takes_first_row(node, constants):
            continue
        if node.op_type not in ROW_BY_ROW:
            raise GraphError(f"{node.op_type} {node.name} reads the last layer and does not work row by row")
        followers.append(node)
        reached.update(node.output)
    if not reached.isdisjoint(item.name for item in graph.graph.output):
        raise GraphError(
            "the last layer is an output of the graph; it can be computed for [CLS] alone if a pooler reads that"
        )
    return LastLayer(attention, followers)


def _takes_first_row(node: onnx.NodeProto, constants: Tensors) -> bool:
    if node.op_type != "Gather" or node.input[1] not in constants:
        return False
    axes = [item.i for item in node.attribute if item.name == "axis"]
    return axes == [1] and not np.any(numpy_helper.to_array(constants[node.input[1]]))


def _residuals(graph: onnx.ModelProto, layer: LastLayer) -> list[str]:
    """Activations of all rows that the followers read from before the attention."""
    inside = {output for node in (layer.attention, *layer.followers) for output in node.output}
    read = dict.fromkeys(name for node in layer.followers for name in node.input)
    varying = _varying(graph)
    return [name for name in read if name in varying and name not in inside]


def _varying(graph: onnx.ModelProto) -> set[str]:
    """What depends on the inputs; the rest are constants, be they stored or computed."""
    varying = {item.name for item in graph.graph.input}
    for node in graph.graph.node:
        if not varying.isdisjoint(node.input):
            varying.update(node.output)
    return varying


def _reading(node: onnx.NodeProto, rows: Mapping[str, str]) -> onnx.NodeProto:
    """The node, with these inputs in the place of those."""
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    changed.input[:] = [rows.get(name, name) for name in node.input]
    return changed


def _constants(graph: onnx.ModelProto) -> Tensors:
    nodes = [node for node in graph.graph.node if node.op_type == "Constant"]
    return {node.output[0]: node.attribute[0].t for node in nodes} | {i.name: i for i in graph.graph.initializer}
