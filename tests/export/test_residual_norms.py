from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import GraphError
from export.onnx_graph import MICROSOFT
from export.residual_norms import split_residual_norms

WIDTH = 8
EPSILON = 1e-3


def residual_graph(further: str = "") -> onnx.ModelProto:
    """An integer product and a plain one, each with a residual block after it: (n, WIDTH) → (n, WIDTH)."""
    rng = np.random.default_rng(0)
    constants = {
        "whole": rng.integers(-60, 60, (WIDTH, WIDTH)).astype(np.int8),
        "plain": rng.normal(size=(WIDTH, WIDTH)).astype(np.float32),
        "scale": np.array(0.02, np.float32),
        "weights_scale": np.full(WIDTH, 0.01, np.float32),
        "zero": np.array(120, np.uint8),
        "weights_zero": np.zeros(WIDTH, np.int8),
        **{name: rng.normal(size=WIDTH).astype(np.float32) for name in ("gain", "shift", "bias", "other_bias")},
    }
    skip = {"domain": MICROSOFT, "epsilon": EPSILON}
    product = ["steps", "whole", "scale", "weights_scale", "zero", "weights_zero"]
    first, second = (["raised", "x", "gain", "shift", "bias"], ["first", "lowered", "gain", "shift", "other_bias"])
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["steps"]),
        helper.make_node("MatMulIntegerToFloat", product, ["raised"], domain=MICROSOFT),
        helper.make_node("SkipLayerNormalization", first, ["first", "", "", further], **skip),
        helper.make_node("MatMul", ["first", "plain"], ["lowered"]),
        helper.make_node("SkipLayerNormalization", second, ["second"], **skip),
        helper.make_node("Add", ["second", "first"], ["total"]),
        helper.make_node("LayerNormalization", ["total", "gain", "shift"], ["y"], epsilon=EPSILON),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", "y")]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "residual", ends[:1], ends[1:], tensors)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def result(graph: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(5, WIDTH)).astype(np.float32)
    return np.asarray(session.run(["y"], {"x": x})[0])


def test_the_result_stays_and_no_fused_norm_is_left() -> None:
    graph = residual_graph()
    before = result(graph)
    split_residual_norms(graph)
    np.testing.assert_allclose(result(graph), before, rtol=1e-5, atol=1e-5)
    kinds = Counter(node.op_type for node in graph.graph.node)
    assert kinds["SkipLayerNormalization"] == kinds["Add"] == 0
    assert kinds["Sum"] == kinds["LayerNormalization"] == 3


def test_an_integer_product_takes_the_bias_in_and_another_leaves_it_in_the_sum() -> None:
    graph = residual_graph()
    split_residual_norms(graph)
    (product,) = [node for node in graph.graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert product.input[6] == "bias"
    terms = [list(node.input) for node in graph.graph.node if node.op_type == "Sum"]
    assert terms == [["raised", "x"], ["first", "lowered", "other_bias"], ["second", "first"]]


def test_a_session_does_not_fuse_them_again(tmp_path: Path) -> None:
    graph = residual_graph()
    split_residual_norms(graph)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = f"{tmp_path}/opened.onnx"
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    opened = Counter(node.op_type for node in onnx.load(f"{tmp_path}/opened.onnx").graph.node)
    assert opened["SkipLayerNormalization"] == 0
    assert opened["LayerNormalization"] == 3


def test_a_norm_whose_sum_is_read_elsewhere_is_refused() -> None:
    with pytest.raises(GraphError, match="gives more than its norm"):
        split_residual_norms(residual_graph(further="sum"))
