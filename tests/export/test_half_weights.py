from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.half_weights import SMALLEST_BYTES, halve_weights

WIDTH = 160
ROWS = np.random.default_rng(0).normal(size=(3, WIDTH)).astype(np.float32)


def product(path: Path, weights: np.ndarray) -> None:
    """A graph that multiplies rows by `weights` and adds a small bias."""
    nodes = [helper.make_node("MatMul", ["x", "w"], ["p"]), helper.make_node("Add", ["p", "bias"], ["y"])]
    tensors = [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.ones(WIDTH, np.float32), "bias")]
    shown = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "product", shown[:1], shown[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def result(path: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": ROWS})[0])


def test_large_weights_take_half_the_bytes_and_give_what_rounding_allows(tmp_path: Path) -> None:
    path, weights = tmp_path / "graph.onnx", np.random.default_rng(1).normal(size=(WIDTH, WIDTH)).astype(np.float32)
    assert weights.nbytes >= SMALLEST_BYTES
    product(path, weights)
    before = path.stat().st_size
    halve_weights(path)
    assert path.stat().st_size < before - 0.45 * weights.nbytes
    np.testing.assert_array_equal(result(path), result_of(weights.astype(np.float16).astype(np.float32), tmp_path))
    kept = {item.name: item.data_type for item in onnx.load(str(path)).graph.initializer}
    assert kept == {"w_half": TensorProto.FLOAT16, "bias": TensorProto.FLOAT}


def result_of(weights: np.ndarray, folder: Path) -> np.ndarray:
    product(folder / "plain.onnx", weights)
    return result(folder / "plain.onnx")


@pytest.mark.parametrize("size", [1e5, -1e5])
def test_what_half_precision_cannot_hold_stays(tmp_path: Path, size: float) -> None:
    path, weights = tmp_path / "graph.onnx", np.zeros((WIDTH, WIDTH), np.float32)
    weights[0, 0] = size
    product(path, weights)
    before = result(path)
    halve_weights(path)
    np.testing.assert_array_equal(result(path), before)
