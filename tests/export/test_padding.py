from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.onnx_graph import MICROSOFT
from export.padding import mask_padding
from relevance.padding import PADDING_SCORE

HEADS, SIZE, LONGEST = 2, 4, 6
LOWEST = float(np.finfo(np.float32).min)


def attention(**attributes: float) -> onnx.ModelProto:
    """Attention of x (n, l, h) to itself, of which `lengths` (n,) are no padding."""
    inputs = ["x", "x", "x", "", "lengths"]
    node = helper.make_node(
        "MultiHeadAttention", inputs, ["y"], domain=MICROSOFT, num_heads=HEADS, scale=0.25, **attributes
    )
    shape = ["n", "l", HEADS * SIZE]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "y"))
    lengths = helper.make_tensor_value_info("lengths", TensorProto.INT32, ["n"])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
    graph = helper.make_graph([node], "attention", [x, lengths], [y])
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def result(graph: onnx.ModelProto, x: np.ndarray, length: int) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x, "lengths": np.array([length], np.int32)})[0])[:, :length]


@pytest.mark.parametrize("attributes", [{}, {"mask_filter_value": LOWEST}], ids=["the default", "the exporter's"])
def test_a_text_gives_the_same_however_padded_and_nothing_else_of_the_attention_changes(
    attributes: dict[str, float],
) -> None:
    graph = attention(**attributes)
    x = np.random.default_rng(0).normal(scale=3, size=(1, LONGEST, HEADS * SIZE)).astype(np.float32)
    before = result(graph, x, 4)
    mask_padding(graph)
    (node,) = graph.graph.node
    assert {item.name: helper.get_attribute_value(item) for item in node.attribute} == {
        "num_heads": HEADS,
        "scale": 0.25,
        "mask_filter_value": PADDING_SCORE,
    }
    np.testing.assert_array_equal(result(graph, x, 4), before)
    np.testing.assert_array_equal(result(graph, x[:, :4], 4), before)
