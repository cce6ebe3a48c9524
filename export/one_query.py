"""ONNX Runtime's fused self-attention for one row of queries: projections by themselves, then MultiHeadAttention."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from export.onnx_graph import MICROSOFT, add_constant, take_rows

PARTS: Final = ("query", "key", "value")
"""In the order of their columns in the fused weights and biases."""
KEPT_ATTRIBUTES: Final = frozenset(("num_heads", "mask_filter_value", "scale"))


def one_query_attention(graph: onnx.ModelProto, attention: onnx.NodeProto, first: str) -> list[onnx.NodeProto]:
    """Nodes that give an Attention's or a QAttention's output for one row of its input (n, l, h): `first` (n, 1, h)."""
    if attention.op_type == "QAttention":
        return _in_integers(graph, attention, first)
    source, weights, bias, mask = attention.input[:4]
    products = [
        helper.make_node("MatMul", [rows, _third(graph, weights, part)], [f"{source}_{name}"], name=f"{source}_{name}")
        for part, (name, rows) in enumerate(zip(PARTS, (first, source, source), strict=True))
    ]
    inputs = [*(node.output[0] for node in products), bias, mask]
    return [*products, _multi_head(attention, inputs, attention.output[0])]


def _in_integers(graph: onnx.ModelProto, attention: onnx.NodeProto, first: str) -> list[onnx.NodeProto]:
    """The same products, scales and sums as in a QAttention, so that not a bit differs.

    Hence the query stands twice: a single row goes through another routine of ONNX Runtime, which sums in another
    order, and the last bits then move a quantised activation by a step, in one pair of some hundreds.
    """
    source, output = attention.input[0], attention.output[0]
    products = [
        _integer_product(graph, attention, part, (rows, f"{source}_{name}"))
        for part, (name, rows) in enumerate(zip(PARTS, (first, source, source), strict=True))
    ]
    query, key, value = (node.output[0] for node in products)
    pair, attended = f"{query}_twice", f"{output}_twice"
    return [
        *products,
        take_rows(graph, query, [0, 0], pair),
        _multi_head(attention, [pair, key, value, "", attention.input[5]], attended),
        take_rows(graph, attended, [0], output),
    ]


def _integer_product(
    graph: onnx.ModelProto, attention: onnx.NodeProto, part: int, names: tuple[str, str]
) -> onnx.NodeProto:
    """A projection with its bias, from and to these names."""
    _, weights, bias, scale, weights_scale, _, zero_point, weights_zero = attention.input[:8]
    own = [_third(graph, name, part) for name in (weights, weights_scale, weights_zero, bias)]
    inputs = [names[0], own[0], scale, own[1], zero_point, own[2], own[3]]
    return helper.make_node("MatMulIntegerToFloat", inputs, [names[1]], name=names[1], domain=MICROSOFT)


def _third(graph: onnx.ModelProto, name: str, part: int) -> str:
    """That part of a constant's columns as a constant of its own: those of queries, keys, or values."""
    (whole,) = [item for item in graph.graph.initializer if item.name == name]
    return add_constant(graph, f"{name}_{PARTS[part]}", np.split(numpy_helper.to_array(whole), 3, axis=-1)[part])


def _multi_head(attention: onnx.NodeProto, inputs: list[str], output: str) -> onnx.NodeProto:
    node = helper.make_node("MultiHeadAttention", inputs, [output], name=f"{output}_of_first", domain=MICROSOFT)
    node.attribute.extend(item for item in attention.attribute if item.name in KEPT_ATTRIBUTES)
    return node
