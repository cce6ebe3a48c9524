"""What the steps of the export share: the names of a cross-encoder's inputs and output, and exchanging nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"


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
