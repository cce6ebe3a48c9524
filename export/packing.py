"""A served cross-encoder in packing mode: rows of padding are left out of all layers but the last.

An alternative to padding to a bucket, for CUDA alone: no other provider has the operators. The last layer stays as the
graph has it, one row of queries over all keys and values, so that nothing but padding tells the two graphs apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx
from onnx import helper

from export.errors import GraphError
from export.last_layer import ROW_BY_ROW
from export.onnx_graph import MICROSOFT, replace_nodes

KEPT_ATTRIBUTES: Final = frozenset(("num_heads", "qkv_hidden_sizes", "scale"))


@dataclass(frozen=True, slots=True)
class Packed:
    """The nodes that can do without padding: the first is an attention, the last gives the last layer's input.

    `counts` names the number of tokens of each row (n,).
    """

    nodes: Sequence[onnx.NodeProto]
    counts: str


def to_packed(source: Path, target: Path) -> None:
    """Rewrite the graph of a cross-encoder as a bundle has it; errors as of `pack`."""
    graph = onnx.load(str(source))
    pack(graph)
    onnx.save(graph, str(target))


def pack(graph: onnx.ModelProto) -> None:
    """Rewrite a fused graph, whose last layer is for [CLS] alone, in place; GraphError if it is none."""
    packed = find_packed(graph)
    first, last = packed.nodes[0].input[0], packed.nodes[-1].output[0]
    offsets, ends = f"{first}_offsets", f"{first}_ends"
    names = {first: f"{first}_packed", last: f"{last}_packed"}
    remove = _node("RemovePadding", [first, packed.counts], [names[first], offsets, ends, f"{first}_longest"])
    replacements = {node.output[0]: [_packed(node, names, (offsets, ends))] for node in packed.nodes}
    replacements[packed.nodes[0].output[0]].insert(0, remove)
    replacements[last].append(_node("RestorePadding", [names[last], offsets], [last]))
    replace_nodes(graph, replacements)


def find_packed(graph: onnx.ModelProto) -> Packed:
    """All layers but the last; GraphError if there are none, or if a part of them does not work row by row."""
    nodes = list(graph.graph.node)
    attentions = [node for node in nodes if node.op_type == "Attention"]
    lone = [node for node in nodes if node.op_type == "MultiHeadAttention"]
    if not attentions or len(lone) != 1:
        raise GraphError(
            "a graph can be packed that is fused, has several layers, and computes the last one for [CLS] alone; "
            f"this one has {len(attentions)} whole layers and {len(lone)} for [CLS]"
        )
    makers = {output: place for place, node in enumerate(nodes) for output in node.output}
    keys = nodes[makers[lone[0].input[1]]]
    reached, found = {attentions[0].input[0]}, []
    for node in nodes[nodes.index(attentions[0]) : makers[keys.input[0]] + 1]:
        if reached.isdisjoint(node.input):
            continue
        if node.op_type not in ROW_BY_ROW | {"Attention"}:
            raise GraphError(f"{node.op_type} {node.name} does not work row by row, so padding has to stay")
        found.append(node)
        reached.update(node.output)
    return Packed(found, _counts(nodes, attentions))


def _counts(nodes: Sequence[onnx.NodeProto], attentions: Sequence[onnx.NodeProto]) -> str:
    """The name of the rows' lengths (n,); GraphError if an attention masks by anything else."""
    made = {node.output[1] for node in nodes if node.op_type == "EmbedLayerNormalization" and len(node.output) > 1}
    read = {node.input[3] if len(node.input) > 3 else "" for node in attentions}
    if len(read) != 1 or not read <= made:
        raise GraphError("a graph can be packed whose attentions all read the lengths that its embeddings give")
    return read.pop()


def _packed(node: onnx.NodeProto, names: dict[str, str], places: tuple[str, str]) -> onnx.NodeProto:
    """The node for rows (tokens, h) in the place of (n, l, h); `places` name where those lie."""
    inputs, outputs = ([names.get(name, name) for name in given] for given in (node.input, node.output))
    if node.op_type == "Attention":
        made = _node("PackedAttention", [*inputs[:3], *places], outputs)
        made.attribute.extend(item for item in node.attribute if item.name in KEPT_ATTRIBUTES)
        return made
    changed = onnx.NodeProto()
    changed.CopyFrom(node)
    changed.input[:], changed.output[:] = inputs, outputs
    return changed


def _node(kind: str, inputs: Sequence[str], outputs: Sequence[str]) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, outputs, name=outputs[0], domain=MICROSOFT)
