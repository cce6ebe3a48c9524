"""The three graph steps: ONNX through optimum, fusion, lower precision. Each reads one file and writes another."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.transformers.onnx_model_bert import BertOnnxModel
from onnxruntime.transformers.optimizer import optimize_model
from optimum.exporters.onnx import main_export
from transformers import BertConfig

from export.errors import CheckpointError

OPSET = 17
ROW_BLOCK = 128
LAYERS_BY_ROW_BLOCKS = 2
INT8_ARITHMETIC = 4
"""ONNX Runtime's accuracy level at which MatMulNBits multiplies in int8."""
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUT = "logits"


def export_fp32(checkpoint: Path, target: Path) -> None:
    """Export a cross-encoder checkpoint (a `save_pretrained` folder) to an fp32 graph with dynamic axes."""
    if not (checkpoint / "config.json").is_file():
        raise CheckpointError(f"{checkpoint} has no config.json, so it is no checkpoint; distil a student first")
    with tempfile.TemporaryDirectory() as scratch, _quiet():
        # Validation against torch is ours (parity.py): on real pairs, of many shapes, ranks included.
        main_export(
            str(checkpoint), scratch, task="text-classification", opset=OPSET, do_validation=False, framework="pt"
        )
        graph = onnx.load(str(Path(scratch) / "model.onnx"))
    names = tuple(item.name for item in graph.graph.input)
    if set(names) != set(INPUTS) or graph.graph.output[0].name != OUTPUT:
        raise CheckpointError(f"{checkpoint} exports inputs {names}; a pair cross-encoder has {INPUTS}")
    onnx.save(graph, str(target))


def fuse(source: Path, target: Path, config: BertConfig) -> None:
    """Fuse attention, layer norms, GELU and embeddings into ONNX Runtime's own operators; exact to rounding."""
    with _quiet():
        _optimised(source, config).save_model_to_file(str(target))


def to_int8(source: Path, target: Path) -> None:
    """Dynamic quantisation: int8 weights per output channel, activations quantised per tensor at run time.

    The feed-forward products of the first layers are spared the per-tensor scale: a few large activations
    leave the others almost no steps there. Each row is quantised by blocks of its own instead, which costs
    about a fifth of the graph's time and gives back much of what int8 loses (docs/distillation.md).
    """
    with _quiet(), tempfile.TemporaryDirectory() as scratch:
        partly = Path(scratch) / "partly.onnx"
        _quantise_by_row_blocks(source, partly)
        quantize_dynamic(
            str(partly),
            str(target),
            per_channel=True,
            weight_type=QuantType.QInt8,
            # DefaultTensorType: shape inference does not know the fused operators' outputs.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT, "MatMulConstBOnly": True},
        )


def _quantise_by_row_blocks(source: Path, target: Path) -> None:
    graph = onnx.load(str(source))
    # Up and down projections are the products whose weights are not square.
    oblong = {item.name for item in graph.graph.initializer if len(item.dims) == 2 and item.dims[0] != item.dims[1]}
    products = [node for node in graph.graph.node if node.op_type == "MatMul"]
    feed_forward = [node.name for node in products if oblong & set(node.input)]
    by_block = DefaultWeightOnlyQuantConfig(
        block_size=ROW_BLOCK, is_symmetric=True, accuracy_level=INT8_ARITHMETIC, bits=8
    )
    chosen = set(feed_forward[: 2 * LAYERS_BY_ROW_BLOCKS])
    others = [node.name for node in products if node.name not in chosen]
    quantizer = MatMulNBitsQuantizer(graph, algo_config=by_block, nodes_to_exclude=others)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target))


def to_fp16(source: Path, target: Path, config: BertConfig) -> None:
    """Half precision for CUDA; inputs and the logit keep their types."""
    with _quiet():
        model = _optimised(source, config)
        model.convert_float_to_float16(keep_io_types=True)
        model.save_model_to_file(str(target))


def _optimised(source: Path, config: BertConfig) -> BertOnnxModel:
    # opt_level=0: only the fusions of the transformers tool, so that the result holds on every machine.
    return optimize_model(
        str(source),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=0,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' own chatter out of the run's output; their errors still raise."""
    previous = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
