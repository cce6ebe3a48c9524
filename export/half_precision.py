"""fp16 for CUDA, with what half precision would spoil left in fp32.

Eleven bits are enough for what flows between layers: layer norms, softmaxes and sums of products keep fp32 inside
ONNX Runtime's fused CUDA operators, whatever the type at their edges. They are not enough for what ranks: logits
around 8 are 0.008 apart in fp16, so that the best products of a query would tie. Hence all that follows the last layer
norm, which is one row a pair, stays in fp32, and so does a softmax or a norm that no fusion took in.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST
from onnxruntime.transformers.onnx_model import OnnxModel

from export.graph import quiet

LAYER_NORMS = frozenset(("SkipLayerNormalization", "LayerNormalization", "EmbedLayerNormalization"))
MOVES = frozenset(("Constant", "Gather", "Identity", "Reshape", "Shape", "Slice", "Squeeze", "Transpose", "Unsqueeze"))
"""Compute nothing. In fp32 one that picks rows of all tokens would need all of them cast before it."""
SENSITIVE = ("Softmax", "LayerNormalization", "ReduceL2", "ReduceMean", "Pow")
"""Not fused: sums and exponentials that fp16 would add up in fp16."""


def to_fp16(source: Path, target: Path) -> None:
    """Lower a fused fp32 graph; inputs and outputs keep their types."""
    model = OnnxModel(onnx.load(str(source)))
    with quiet():
        model.convert_float_to_float16(
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, *SENSITIVE],
            node_block_list=head_nodes(model.model.graph),
        )
        model.save_model_to_file(str(target))


def head_nodes(graph: onnx.GraphProto) -> list[str]:
    """Names of the nodes that compute the outputs from what the last layer norm gives."""
    made_by = {output: node for node in graph.node for output in node.output}
    names: dict[str, None] = {}
    waiting, seen = [item.name for item in graph.output], set[str]()
    while waiting:
        node = made_by.get(waiting.pop())
        if node is None or node.op_type in LAYER_NORMS or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        if node.op_type not in MOVES:
            names[node.name] = None
        waiting.extend(node.input)
    return list(names)
