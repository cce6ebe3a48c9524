from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.onnx_graph import MICROSOFT
from export.product_biases import take_in_biases

WIDTH = 48


def integer_product(*followers: onnx.NodeProto, outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    """`product` (n, WIDTH) of `x` in int8, and what follows."""
    rng = np.random.default_rng(0)
    constants = {
        "weights": rng.integers(-60, 60, (WIDTH, WIDTH)).astype(np.int8),
        "scale": np.array(0.02, np.float32),
        "weights_scale": np.full(WIDTH, 0.01, np.float32),
        "zero": np.array(120, np.uint8),
        "weights_zero": np.zeros(WIDTH, np.int8),
        "bias": rng.normal(size=WIDTH).astype(np.float32),
        "rows": rng.normal(size=(5, WIDTH)).astype(np.float32),
    }
    inputs = ["steps", "weights", "scale", "weights_scale", "zero", "weights_zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["steps"]),
        helper.make_node("MatMulIntegerToFloat", inputs, ["product"], domain=MICROSOFT),
        *followers,
    ]
    x, *ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", *outputs)]
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(
        helper.make_graph(nodes, "product", [x], ends, tensors), opset_imports=opsets, ir_version=8
    )


def results(graph: onnx.ModelProto) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    # As it is written: a session would fuse and add up some of it itself.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).normal(size=(5, WIDTH)).astype(np.float32)
    return [np.asarray(result) for result in session.run(None, {"x": x})]


def kinds(graph: onnx.ModelProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.graph.node)


ADD = helper.make_node("Add", ["product", "bias"], ["y"])
ADD_TURNED = helper.make_node("Add", ["bias", "product"], ["y"])
BIAS_GELU = helper.make_node("BiasGelu", ["product", "bias"], ["y"], domain=MICROSOFT)


@pytest.mark.parametrize(
    ("follower", "left"),
    [(ADD, Counter()), (ADD_TURNED, Counter()), (BIAS_GELU, Counter(["Gelu"]))],
    ids=["add", "add turned round", "gelu"],
)
def test_a_product_takes_its_bias_in_and_not_a_bit_changes(follower: onnx.NodeProto, left: Counter[str]) -> None:
    graph = integer_product(follower)
    before = results(graph)
    take_in_biases(graph)
    assert kinds(graph) == Counter(["QuantizeLinear", "MatMulIntegerToFloat"]) + left
    np.testing.assert_array_equal(results(graph), before)


def test_what_reads_the_sum_reads_it_from_the_product() -> None:
    total = helper.make_node("Add", ["product", "bias"], ["total"])
    graph = integer_product(total, helper.make_node("Neg", ["total"], ["y"]), outputs=("y", "total"))
    before = results(graph)
    take_in_biases(graph)
    assert kinds(graph)["Add"] == 0
    np.testing.assert_array_equal(results(graph), before)


@pytest.mark.parametrize(
    ("followers", "outputs"),
    [
        pytest.param([ADD, helper.make_node("Neg", ["product"], ["other"])], ("y", "other"), id="read twice"),
        pytest.param([ADD], ("y", "product"), id="an output of the graph"),
        pytest.param([helper.make_node("Add", ["product", "rows"], ["y"])], ("y",), id="no bias"),
        pytest.param([helper.make_node("Add", ["product", "x"], ["y"])], ("y",), id="no constant"),
    ],
)
def test_a_product_that_is_read_without_the_bias_stays(
    followers: list[onnx.NodeProto], outputs: tuple[str, ...]
) -> None:
    graph = integer_product(*followers, outputs=outputs)
    before, nodes = results(graph), kinds(graph)
    take_in_biases(graph)
    assert kinds(graph) == nodes
    for after, then in zip(results(graph), before, strict=True):
        np.testing.assert_array_equal(after, then)


def test_a_product_takes_one_bias_only() -> None:
    again = helper.make_node("Add", ["total", "bias"], ["y"])
    graph = integer_product(helper.make_node("Add", ["product", "bias"], ["total"]), again)
    before = results(graph)
    take_in_biases(graph)
    assert kinds(graph)["Add"] == 1
    np.testing.assert_array_equal(results(graph), before)
    take_in_biases(graph)
    np.testing.assert_array_equal(results(graph), before)
