from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from export.errors import GraphError
from export.graph import fuse, fuse_cross_encoder, to_int8
from export.last_layer import last_layer_for_cls
from export.range_feeds import pair_feeds
from tests.export.hand_made_graph import activation, logits, perceptron
from tests.export.random_bert import BATCHES, HEADS, pairs_of, random_bert


@pytest.fixture(scope="module", params=[1, 3])
def raw(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of one and of three layers, exported and not fused."""
    return random_bert(tmp_path_factory.mktemp("bert"), request.param)


@pytest.fixture(scope="module")
def whole(raw: Path) -> Path:
    """The fused graph, which computes all rows of its last layer."""
    fuse(raw, raw.with_name("whole.onnx"), HEADS)
    return raw.with_name("whole.onnx")


@pytest.fixture(scope="module")
def first_only(raw: Path) -> onnx.ModelProto:
    """The graph as it is exported: fused, and its last layer for [CLS] alone."""
    fuse_cross_encoder(raw, raw.with_name("cls.onnx"), HEADS)
    return onnx.load(str(raw.with_name("cls.onnx")))


def rewritten(path: Path) -> onnx.ModelProto:
    graph = onnx.load(str(path))
    last_layer_for_cls(graph)
    return graph


@pytest.mark.parametrize("lengths", BATCHES)
def test_the_logits_are_the_same_to_rounding(first_only: onnx.ModelProto, whole: Path, lengths: list[int]) -> None:
    pairs = pairs_of(lengths, seed=len(lengths))
    np.testing.assert_allclose(logits(first_only, pairs), logits(onnx.load(str(whole)), pairs), rtol=0, atol=1e-5)


def test_only_keys_and_values_are_computed_for_other_tokens(whole: Path) -> None:
    graph, pairs = rewritten(whole), pairs_of([6, 9], seed=0)
    (attention,) = [node for node in graph.graph.node if node.op_type == "MultiHeadAttention"]
    rows = {name: activation(graph, pairs, name).shape[1] for name in attention.input[:3]}
    assert list(rows.values()) == [1, 9, 9]
    after = list(graph.graph.node)[list(graph.graph.node).index(attention) :]
    outputs = [node.output[0] for node in after if node.op_type == "SkipLayerNormalization"]
    assert [activation(graph, pairs, name).shape[1] for name in outputs] == [1, 1]


def test_a_quantised_graph_gives_the_very_same_logits(whole: Path) -> None:
    to_int8(whole, whole.with_name("int8.onnx"), pair_feeds(pairs_of([20] * 50, seed=1)))
    before, after = onnx.load(str(whole.with_name("int8.onnx"))), rewritten(whole.with_name("int8.onnx"))
    (attention,) = [node for node in after.graph.node if node.op_type == "MultiHeadAttention"]
    attended = attention.output[0].removesuffix("_twice")
    for lengths in BATCHES:
        pairs = pairs_of(lengths, seed=2)
        # Not a bit of what is quantised next may differ: a step's edge can lie anywhere.
        np.testing.assert_array_equal(activation(after, pairs, attended), activation(before, pairs, attended)[:, :1])
        np.testing.assert_array_equal(logits(after, pairs), logits(before, pairs))


def test_no_weights_are_left_over(whole: Path) -> None:
    before, after = onnx.load(str(whole)), rewritten(whole)
    assert after.ByteSize() == pytest.approx(before.ByteSize(), rel=0.02)


def test_a_graph_is_rewritten_only_once(whole: Path) -> None:
    graph = rewritten(whole)
    with pytest.raises(GraphError, match=r"rewrite it only once|MultiHeadAttention .* does not work row by row"):
        last_layer_for_cls(graph)


def test_a_graph_that_is_not_fused_is_refused() -> None:
    with pytest.raises(GraphError, match="no fused attention"):
        last_layer_for_cls(perceptron())


def test_a_graph_whose_other_rows_are_read_is_refused(whole: Path) -> None:
    graph = onnx.load(str(whole))
    (pooler,) = [node for node in graph.graph.node if node.op_type == "Gather"]
    mean = helper.make_node("ReduceMean", [pooler.input[0]], ["mean"], name="mean", axes=[1])
    graph.graph.node.append(mean)
    with pytest.raises(GraphError, match="ReduceMean mean reads the last layer"):
        last_layer_for_cls(graph)
    graph.graph.node.remove(mean)
    graph.graph.output.append(helper.make_tensor_value_info(pooler.input[0], TensorProto.FLOAT, None))
    with pytest.raises(GraphError, match="is an output of the graph"):
        last_layer_for_cls(graph)


def test_a_pooler_that_reads_another_token_is_refused(whole: Path) -> None:
    graph = onnx.load(str(whole))
    (index,) = [node for node in graph.graph.node if node.op_type == "Constant"]
    index.attribute[0].t.CopyFrom(helper.make_tensor("one", TensorProto.INT64, [], [1]))
    with pytest.raises(GraphError, match=r"Gather .* does not work row by row"):
        last_layer_for_cls(graph)
