from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from export.errors import GraphError
from export.graph import fuse, fuse_cross_encoder
from export.half_precision import to_fp16
from export.packing import pack, to_packed
from tests.export.hand_made_graph import activation, logits, perceptron
from tests.export.packed_operators import runs_here
from tests.export.random_bert import BATCHES, HEADS, pairs_of, random_bert

LAYERS = 3


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT, exported and not fused."""
    return random_bert(tmp_path_factory.mktemp("bert"), LAYERS)


@pytest.fixture(scope="module")
def padded(raw: Path) -> Path:
    """The graph as a bundle has it in fp32."""
    fuse_cross_encoder(raw, raw.with_name("padded.onnx"), HEADS)
    return raw.with_name("padded.onnx")


@pytest.fixture(scope="module")
def packed(padded: Path) -> onnx.ModelProto:
    to_packed(padded, padded.with_name("packed.onnx"))
    return onnx.load(str(padded.with_name("packed.onnx")))


@pytest.mark.parametrize("lengths", BATCHES)
def test_the_logits_are_those_of_the_padded_graph(padded: Path, packed: onnx.ModelProto, lengths: list[int]) -> None:
    pairs = pairs_of(lengths, seed=len(lengths))
    expected = logits(onnx.load(str(padded)), pairs)
    np.testing.assert_allclose(logits(runs_here(packed), pairs), expected, rtol=0, atol=1e-5)
    assert len(lengths) == 1 or np.std(expected) > 1e-2, "else a wrong graph would give them too"


def test_no_row_of_padding_is_computed_before_the_last_layer(packed: onnx.ModelProto) -> None:
    pairs, graph = pairs_of([9, 2, 5], seed=1), runs_here(packed)
    products = [node for node in packed.graph.node if node.op_type in ("BiasGelu", "SkipLayerNormalization")]
    shapes = [activation(graph, pairs, node.output[0]).shape[:-1] for node in products]
    assert shapes == [(9 + 2 + 5,)] * 3 * (LAYERS - 1) + [(3, 1)] * 3


def test_the_last_layer_is_the_padded_graphs_own(padded: Path, packed: onnx.ModelProto) -> None:
    def last_layer(graph: onnx.ModelProto) -> list[onnx.NodeProto]:
        nodes = list(graph.graph.node)
        (attention,) = [place for place, node in enumerate(nodes) if node.op_type == "MultiHeadAttention"]
        return nodes[attention - 4 :]

    before = last_layer(onnx.load(str(padded)))
    assert last_layer(packed) == before
    assert [node.op_type for node in before[:5]] == ["Gather", "MatMul", "MatMul", "MatMul", "MultiHeadAttention"]


def test_operators_are_given_what_their_documentation_asks_for(packed: onnx.ModelProto) -> None:
    nodes = {kind: [node for node in packed.graph.node if node.op_type == kind] for kind in PACKING}
    assert [len(found) for found in nodes.values()] == [1, LAYERS - 1, 1, 0]
    (remove,), attentions, (restore,), _ = nodes.values()
    assert all(list(node.input[3:]) == list(remove.output[1:3]) for node in attentions)
    assert restore.input[1] == remove.output[1]
    assert {attribute.name for node in attentions for attribute in node.attribute} == {"num_heads"}


PACKING = ("RemovePadding", "PackedAttention", "RestorePadding", "Attention")


def test_half_precision_is_packed_as_it_is(padded: Path) -> None:
    half = padded.with_name("half.onnx")
    to_fp16(padded, half)
    graph = onnx.load(str(half))
    pack(graph)
    pairs = pairs_of([7, 30, 12], seed=3)
    np.testing.assert_allclose(logits(runs_here(graph), pairs), logits(onnx.load(str(half)), pairs), rtol=0, atol=2e-2)


def test_what_cannot_be_packed_is_refused_with_the_reason(raw: Path, padded: Path, packed: onnx.ModelProto) -> None:
    whole = raw.with_name("whole.onnx")
    fuse(raw, whole, HEADS)
    with pytest.raises(GraphError, match=rf"this one has {LAYERS} whole layers and 0 for \[CLS\]"):
        pack(onnx.load(str(whole)))
    with pytest.raises(GraphError, match="0 whole layers"):
        pack(perceptron())
    with pytest.raises(GraphError, match="0 whole layers and 1 for"):
        pack(packed)
    masked = onnx.load(str(padded))
    next(node for node in masked.graph.node if node.op_type == "Attention").input[3] = "attention_mask_int32"
    with pytest.raises(GraphError, match="read the lengths that its embeddings give"):
        pack(masked)
    mixed = onnx.load(str(padded))
    next(node for node in mixed.graph.node if node.op_type == "BiasGelu").op_type = "Softmax"
    with pytest.raises(GraphError, match=r"Softmax .* does not work row by row"):
        pack(mixed)
