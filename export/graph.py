"""The graph steps: ONNX through optimum, fusion, lower precision. Each reads one file and writes another."""

from __future__ import annotations

import logging
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel
from onnxruntime.transformers.onnx_model_bert import BertOnnxModel
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export

from export.errors import CheckpointError
from export.last_layer import last_layer_for_cls
from export.padding import mask_padding
from export.product_biases import take_in_biases
from export.range_feeds import Feed
from export.residual_norms import split_residual_norms
from export.smoothing import smooth
from export.static_ranges import fix_ranges
from relevance.cross_encoder_graph import INPUTS, OUTPUT

OPSET = 17
FEED_FORWARD = re.compile(r"(?<!/attention)/(intermediate|output)/dense/MatMul$")
"""The projections' nodes, by the names of a BERT layer's parts."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What the fusions have to know of a BERT: its attention heads, and its hidden size."""

    count: int
    hidden: int


def export_fp32(checkpoint: Path, target: Path) -> None:
    """Export a cross-encoder checkpoint (a `save_pretrained` folder) to an fp32 graph with dynamic axes."""
    if not (checkpoint / "config.json").is_file():
        raise CheckpointError(f"{checkpoint} has no config.json, so it is no checkpoint; distil a student first")
    with tempfile.TemporaryDirectory() as scratch, quiet():
        # Validation against torch is ours (parity.py): on real pairs, of many shapes, ranks included.
        main_export(
            str(checkpoint), scratch, task="text-classification", opset=OPSET, do_validation=False, framework="pt"
        )
        graph = onnx.load(str(Path(scratch) / "model.onnx"))
    names = tuple(item.name for item in graph.graph.input)
    if set(names) != set(INPUTS) or graph.graph.output[0].name != OUTPUT:
        raise CheckpointError(f"{checkpoint} exports inputs {names}; a pair cross-encoder has {INPUTS}")
    onnx.save(graph, str(target))


def fuse(source: Path, target: Path, heads: Heads) -> None:
    """Fuse attention, layer norms, GELU and embeddings into ONNX Runtime's own operators; exact to rounding."""
    with quiet():
        optimised = _optimised(source, heads)
        mask_padding(optimised.model)
        optimised.save_model_to_file(str(target))


def fuse_cross_encoder(source: Path, target: Path, heads: Heads) -> None:
    """Fuse, and compute the last layer for [CLS] alone; exact to rounding. GraphError if something else reads it."""
    fuse(source, target, heads)
    graph = onnx.load(str(target))
    last_layer_for_cls(graph)
    onnx.save(graph, str(target))


def to_int8(source: Path, target: Path, feeds: Sequence[Feed]) -> None:
    """int8 weights per output channel, activations in fixed ranges that `feeds` show: every score is its pair's own.

    The inputs of the feed-forward products are smoothed first: a few large channels would leave the others
    almost no steps (docs/distillation.md).
    """
    if not feeds:
        raise CheckpointError("int8 needs at least one input to learn the activations' ranges from; there is none")
    with quiet(), tempfile.TemporaryDirectory() as scratch:
        smoothed, dynamic = Path(scratch) / "smoothed.onnx", Path(scratch) / "dynamic.onnx"
        graph = onnx.load(str(source))
        smooth(graph, feed_forward_products(graph), feeds)
        # The quantiser would do it itself, after the nodes to exclude have been named.
        ONNXModel(graph).replace_gemm_with_matmul()
        onnx.save(graph, str(smoothed))
        quantize_dynamic(
            str(smoothed),
            str(dynamic),
            per_channel=True,
            weight_type=QuantType.QInt8,
            # Weights within 64: two products then fit in the 16 bits in which a processor without VNNI adds them.
            reduce_range=True,
            nodes_to_exclude=[*batched_products(graph), *single_columns(graph)],
            # DefaultTensorType: shape inference does not know the fused operators' outputs.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
        )
        quantised = onnx.load(str(dynamic))
        fix_ranges(quantised, feeds)
        take_in_biases(quantised)
        split_residual_norms(quantised)
        onnx.save(quantised, str(target))


def feed_forward_products(graph: onnx.ModelProto) -> set[str]:
    """Names of the up and down projections: the products whose weights are no square and no single column, and those
    that are named so, since a joint layer may have as many units as its states have numbers."""
    oblong = {
        item.name
        for item in graph.graph.initializer
        if len(item.dims) == 2 and item.dims[0] != item.dims[1] and min(item.dims) > 1
    }
    return {
        node.name
        for node in graph.graph.node
        if node.op_type == "MatMul" and (node.input[1] in oblong or FEED_FORWARD.search(node.name))
    }


def batched_products(graph: onnx.ModelProto) -> list[str]:
    """Names of the products with a stack of matrices, one a head: ONNX Runtime has none in int8 by channel."""
    stacks = {item.name for item in graph.graph.initializer if len(item.dims) > 2}
    return [node.name for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in stacks]


def single_columns(graph: onnx.ModelProto) -> list[str]:
    """Names of the MatMul nodes with a single column, a head's or that of late-interaction features: they cost nothing,
    and a cosine that decides an order would be left with a hundred values."""
    columns = {item.name for item in graph.graph.initializer if len(item.dims) == 2 and min(item.dims) == 1}
    return [node.name for node in graph.graph.node if node.op_type == "MatMul" and node.input[1] in columns]


def _optimised(source: Path, heads: Heads) -> BertOnnxModel:
    # opt_level=0: only the fusions of the transformers tool, so that the result holds on every machine.
    return optimize_model(
        str(source),
        model_type="bert",
        num_heads=heads.count,
        hidden_size=heads.hidden,
        opt_level=0,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the exporters' own chatter out of the run's output; their errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
