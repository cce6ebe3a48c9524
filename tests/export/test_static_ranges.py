from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnxruntime.quantization import QuantType, quantize_dynamic

from export.range_feeds import pair_feeds
from export.static_ranges import STEPS, fix_ranges, scale_of
from tests.export.hand_made_graph import logits, perceptron, random_pairs

PAIRS = random_pairs(64)


@pytest.fixture
def dynamic(tmp_path: Path) -> onnx.ModelProto:
    onnx.save(perceptron(), tmp_path / "plain.onnx")
    quantize_dynamic(
        tmp_path / "plain.onnx",
        tmp_path / "dynamic.onnx",
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"MatMulConstBOnly": True},
    )
    return onnx.load(tmp_path / "dynamic.onnx")


@given(st.floats(-100, 100), st.floats(0, 100))
def test_a_scale_covers_its_range_and_keeps_zero_exact(low: float, width: float) -> None:
    scale, zero_point = scale_of(low, low + width)
    lowest, highest = (0 - float(zero_point)) * float(scale), (STEPS - float(zero_point)) * float(scale)
    assert scale > 0
    assert lowest <= min(low, 0.0) + float(scale) / 2 * 1.001
    assert highest >= max(low + width, 0.0) - float(scale) / 2 * 1.001


def test_a_pair_has_the_same_logit_alone_and_in_any_batch(dynamic: onnx.ModelProto) -> None:
    moved = np.abs(logits(dynamic, PAIRS) - [logits(dynamic, [pair])[0] for pair in PAIRS]).max()
    fix_ranges(dynamic, pair_feeds(PAIRS))
    assert moved > 1e-3
    alone = np.array([logits(dynamic, [pair])[0] for pair in PAIRS])
    for size in (2, 3, 8, 64):
        batches = [logits(dynamic, PAIRS[start : start + size]) for start in range(0, len(PAIRS), size)]
        # Exact integer products; only the sum over the tokens, padding included, may round differently.
        np.testing.assert_allclose(np.concatenate(batches), alone, rtol=0, atol=1e-5)


def test_it_is_as_near_to_fp32_as_dynamic_quantisation(dynamic: onnx.ModelProto) -> None:
    exact = logits(perceptron(), PAIRS)
    dynamic_error = np.abs(logits(dynamic, PAIRS) - exact).mean()
    fix_ranges(dynamic, pair_feeds(PAIRS))
    assert np.abs(logits(dynamic, PAIRS) - exact).mean() <= 1.2 * dynamic_error


def test_nothing_dynamic_is_left(dynamic: onnx.ModelProto) -> None:
    fix_ranges(dynamic, pair_feeds(PAIRS))
    onnx.checker.check_model(dynamic)
    operators = [node.op_type for node in dynamic.graph.node]
    assert "DynamicQuantizeLinear" not in operators
    assert (operators.count("QuantizeLinear"), operators.count("MatMulIntegerToFloat")) == (2, 2)
