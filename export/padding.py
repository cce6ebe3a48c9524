"""The score of padding in fused attentions: `relevance.padding`'s, in the place of the exporter's lowest number."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import helper

from relevance.padding import PADDING_SCORE

ATTENTIONS: Final = frozenset(("Attention", "QAttention", "MultiHeadAttention"))
MASKED_BY: Final = "mask_filter_value"


def mask_padding(graph: onnx.ModelProto) -> None:
    """Let, in place, every fused attention add that to the scores of padding."""
    for node in graph.graph.node:
        if node.op_type in ATTENTIONS:
            others = [item for item in node.attribute if item.name != MASKED_BY]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute(MASKED_BY, PADDING_SCORE)])
