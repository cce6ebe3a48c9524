from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from service.sessions import Graph, open_session

ROWS, DEPTH, COLUMNS = 8, 256, 32


def integer_product(path: Path) -> None:
    """A graph of one product of integers whose every factor is the largest there is."""
    constants = {
        "weights": np.full((DEPTH, COLUMNS), 127, dtype=np.int8),
        "scale": np.float32(1.0),
        "zero": np.uint8(0),
        "weights_scale": np.ones(COLUMNS, dtype=np.float32),
        "weights_zero": np.zeros(COLUMNS, dtype=np.int8),
    }
    inputs = ["values", "weights", "scale", "weights_scale", "zero", "weights_zero"]
    product = helper.make_node("MatMulIntegerToFloat", inputs, ["sums"], domain="com.microsoft")
    graph = helper.make_graph(
        [product],
        "product",
        [helper.make_tensor_value_info("values", TensorProto.UINT8, [ROWS, DEPTH])],
        [helper.make_tensor_value_info("sums", TensorProto.FLOAT, [ROWS, COLUMNS])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def test_integer_products_are_exact_on_every_machine(tmp_path: Path) -> None:
    # Without VNNI, ONNX Runtime's faster kernel saturates here: 2 · 255 · 127 does not fit in 16 bits.
    integer_product(tmp_path / "product.onnx")
    session = open_session(Graph(tmp_path / "product.onnx"), threads=1)
    (sums,) = session.run(None, {"values": np.full((ROWS, DEPTH), 255, dtype=np.uint8)})
    np.testing.assert_array_equal(sums, np.full((ROWS, COLUMNS), 255 * 127 * DEPTH, dtype=np.float32))
