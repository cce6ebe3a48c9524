"""A two-layer perceptron over token embeddings, written by hand: an encoder's feed-forward part, and quick to run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from relevance.cross_encoder_graph import INPUTS, OUTPUT
from relevance.pair_encoding import EncodedPair, pad_pairs

WORDS, WIDTH, HIDDEN = 40, 8, 24
OUTLIER = 3
"""The channel that is thirty times the others."""


def perceptron() -> onnx.ModelProto:
    """Gather → MatMul `up` → Relu → MatMul `down`, summed over the tokens: logits (n, 1)."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(WORDS, WIDTH)).astype(np.float32)
    table[0] = 0.0
    table[:, OUTLIER] *= 30.0
    weights = {
        "table": table,
        "up_weight": (rng.normal(size=(WIDTH, HIDDEN)) / 3).astype(np.float32),
        "down_weight": (rng.normal(size=(HIDDEN, 1)) / 5).astype(np.float32),
        "axes": np.array([1], dtype=np.int64),
    }
    weights["up_weight"][OUTLIER] /= 30.0
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"], name="embed"),
        helper.make_node("MatMul", ["embedded", "up_weight"], ["raised"], name="up"),
        helper.make_node("Relu", ["raised"], ["active"], name="relu"),
        helper.make_node("MatMul", ["active", "down_weight"], ["lowered"], name="down"),
        helper.make_node("ReduceSum", ["lowered", "axes"], [OUTPUT], name="sum", keepdims=0),
    ]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"]) for name in INPUTS]
    output = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", 1])
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "perceptron", inputs, [output], constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def random_pairs(count: int, seed: int = 0) -> list[EncodedPair]:
    """Pairs of 2 to 12 tokens."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(2, 13, size=count)
    return [EncodedPair(tuple(map(int, rng.integers(1, WORDS, size=n))), (0,) * int(n)) for n in lengths]


def logits(graph: onnx.ModelProto, pairs: list[EncodedPair]) -> npt.NDArray[np.float32]:
    """Logits (n,) of the pairs in one batch."""
    return activation(graph, pairs, OUTPUT).reshape(-1)


def activation(graph: onnx.ModelProto, pairs: list[EncodedPair], name: str) -> npt.NDArray[np.float32]:
    """Any floating-point activation of the graph for the pairs in one batch."""
    watched = onnx.ModelProto()
    watched.CopyFrom(graph)
    if name != OUTPUT:
        watched.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    batch = pad_pairs(pairs, pad_id=0)
    (values,) = session.run([name], {item.name: getattr(batch, item.name) for item in session.get_inputs()})
    return np.asarray(values)
