"""Sums and layer norms by themselves, where ONNX Runtime's CPU kernel for both together is the slower one.

`SkipLayerNormalization` adds a residual and normalises a row number by number; `Sum` and `LayerNormalization` work on
whole vectors, in a fraction of the time (docs/distillation.md has the figures). `Sum`, not `Add`: a session would fuse
that again when it opens the graph. On CUDA the fused kernel is the faster one, so this is for the graphs of a CPU.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import onnx
from onnx import helper

from export.errors import GraphError
from export.onnx_graph import replace_nodes
from export.product_biases import take_in

DEFAULT_EPSILON: Final = 1e-12
"""Of a fused node that names none."""
FUSED: Final = "SkipLayerNormalization"


def split_residual_norms(graph: onnx.ModelProto) -> None:
    """Rewrite, in place, every norm of a sum. Exact to rounding; a residual's bias goes into the product before it."""
    made_by = {output: node for node in graph.graph.node for output in node.output}
    readers = Counter(name for node in graph.graph.node for name in node.input)
    readers.update(item.name for item in graph.graph.output)
    norms = [node for node in graph.graph.node if node.op_type == "LayerNormalization"]
    sums = [made_by[node.input[0]] for node in norms if node.input[0] in made_by]
    replacements = {node.output[0]: [_sum(list(node.input), node.output[0])] for node in sums if node.op_type == "Add"}
    for node in graph.graph.node:
        if node.op_type == FUSED:
            products = [made_by[term] for term in node.input[:2] if term in made_by and readers[term] == 1]
            replacements[node.output[0]] = _apart(node, products)
    replace_nodes(graph, replacements)


def _apart(node: onnx.NodeProto, products: Sequence[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """Sum and norm of a fused node; `products` make its terms, and nothing else reads them."""
    if any(node.output[1:]):
        raise GraphError(f"{FUSED} {node.name} gives more than its norm; only the norm can be computed by itself")
    left, right, scale, shift, *bias = node.input
    (total, norm) = (f"{node.output[0]}_sum", node.output[0])
    terms = [left, right, *(name for name in bias if not any(take_in(name, product) for product in products))]
    epsilon = next((item.f for item in node.attribute if item.name == "epsilon"), DEFAULT_EPSILON)
    return [
        _sum(terms, total),
        helper.make_node("LayerNormalization", [total, scale, shift], [norm], name=norm, axis=-1, epsilon=epsilon),
    ]


def _sum(terms: list[str], total: str) -> onnx.NodeProto:
    return helper.make_node("Sum", terms, [total], name=total)
