"""A fused cross-encoder in packing mode: rows of padding are left out between the embeddings and the head.

An alternative to padding to a bucket, for CUDA alone: no other provider has the operators.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.transformers.convert_to_packing_mode import PackingMode
from onnxruntime.transformers.onnx_model import OnnxModel

from export.errors import CheckpointError
from export.graph import quiet


def to_packed(source: Path, target: Path) -> None:
    """Rewrite a graph whose every layer is one `Attention`; CheckpointError if it stays as it is."""
    model = OnnxModel(onnx.load(str(source)))
    with quiet():
        PackingMode(model).convert()
    kinds = {node.op_type for node in model.model.graph.node}
    if "PackedAttention" not in kinds or kinds & {"Attention", "MultiHeadAttention"}:
        raise CheckpointError(f"{source} cannot be packed: not all of its layers are attention over all tokens")
    model.save_model_to_file(str(target))
