from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.graph import feed_forward_products


def product(name: str, rows: int, columns: int) -> onnx.ModelProto:
    weight = numpy_helper.from_array(np.zeros((rows, columns), np.float32), "weight")
    node = helper.make_node("MatMul", ["x", "weight"], ["y"], name=name)
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, None) for end in ("x", "y")]
    return helper.make_model(helper.make_graph([node], "product", ends[:1], ends[1:], [weight]))


@pytest.mark.parametrize(
    ("name", "shape", "belongs"),
    [
        ("/bert/encoder/layer.0/intermediate/dense/MatMul", (16, 64), True),
        ("/bert/encoder/layer.0/output/dense/MatMul", (64, 16), True),
        # A joint layer may be as narrow as its states.
        ("/intermediate/dense/MatMul", (16, 16), True),
        ("/output/dense/MatMul", (16, 16), True),
        ("/attention_output/dense/MatMul", (16, 16), False),
        ("/bert/encoder/layer.0/attention/output/dense/MatMul", (16, 16), False),
        ("/query/MatMul", (16, 16), False),
        ("/classifier/MatMul", (16, 1), False),
    ],
)
def test_the_feed_forward_part_is_found_whatever_its_width(name: str, shape: tuple[int, int], belongs: bool) -> None:
    assert feed_forward_products(product(name, *shape)) == ({name} if belongs else set())
