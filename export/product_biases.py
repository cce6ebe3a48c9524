"""Biases in the integer product before them, which adds each as it scales its sums: a pass over the numbers less.

`BiasGelu` so becomes `Gelu`, whose CPU kernel takes two thirds of its time (docs/distillation.md has the figures). On
CUDA the kernels with a bias are the faster ones, so this is for the graphs of a CPU.
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Final

import onnx
from onnx import helper

from export.onnx_graph import MICROSOFT, replace_nodes

WITHOUT_BIAS: Final = 6
"""Inputs of a MatMulIntegerToFloat with both zero points, after which a bias may come."""

Replacements = dict[str, list[onnx.NodeProto]]
"""As of `replace_nodes`."""


def take_in_biases(graph: onnx.ModelProto) -> None:
    """Rewrite, in place, what adds a constant to an integer product that nothing else reads. Not a bit changes."""
    made_by = {output: node for node in graph.graph.node for output in node.output}
    readers = Counter(name for node in graph.graph.node for name in node.input)
    readers.update(item.name for item in graph.graph.output)
    biases = {item.name for item in graph.graph.initializer if len(item.dims) == 1}
    replacements: Replacements = {}
    for node in graph.graph.node:
        if node.op_type in ("Add", "BiasGelu"):
            for bias, raw in permutations(node.input):
                if bias in biases and readers[raw] == 1 and raw in made_by and take_in(bias, made_by[raw]):
                    replacements |= _without_bias(node, made_by[raw])
    replace_nodes(graph, replacements)


def take_in(bias: str, product: onnx.NodeProto) -> bool:
    """Give the bias to an integer product; False if that has one already, or if it is another node."""
    if product.op_type != "MatMulIntegerToFloat" or len(product.input) != WITHOUT_BIAS:
        return False
    product.input.append(bias)
    return True


def _without_bias(node: onnx.NodeProto, product: onnx.NodeProto) -> Replacements:
    """What stands for a node whose bias its product has taken."""
    if node.op_type == "BiasGelu":
        (output,) = node.output
        return {output: [helper.make_node("Gelu", [product.output[0]], [output], name=output, domain=MICROSOFT)]}
    giving = onnx.NodeProto()
    giving.CopyFrom(product)
    giving.output[:] = node.output
    return {product.output[0]: [giving], node.output[0]: []}
