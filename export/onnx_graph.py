"""What the steps of the export share: exchanging nodes, adding and dropping constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


def replace_nodes(graph: onnx.ModelProto, replacements: Mapping[str, Sequence[onnx.NodeProto]]) -> None:
    """Put, in place, other nodes where each node stood whose first output is a key; none: it is left out."""
    nodes = []
    for node in graph.graph.node:
        for kept in replacements.get(node.output[0], [node]):
            copy = onnx.NodeProto()
            copy.CopyFrom(kept)
            nodes.append(copy)
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)


def add_constant(graph: onnx.ModelProto, name: str, values: npt.NDArray[Any]) -> str:
    """Give the graph an initializer; returns its name."""
    graph.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
    return name


def take_rows(graph: onnx.ModelProto, source: str, rows: Sequence[int], target: str) -> onnx.NodeProto:
    """A node, not yet in the graph, that gives these rows (n, len(rows), h) of `source` (n, l, h)."""
    index = add_constant(graph, f"{target}_rows", np.array(rows, dtype=np.int64))
    return helper.make_node("Gather", [source, index], [target], name=target, axis=1)


def drop_unused(graph: onnx.ModelProto) -> None:
    """Leave out, in place, the initializers that no node reads."""
    used = {name for node in graph.graph.node for name in node.input}
    kept = [item for item in graph.graph.initializer if item.name in used]
    del graph.graph.initializer[:]
    graph.graph.initializer.extend(kept)
