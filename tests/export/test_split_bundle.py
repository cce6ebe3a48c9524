from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from export.bundle import BundleOutput
from export.errors import ParityError
from export.split_bundle import export_split_bundle
from relevance.bundle import SPLIT_PARTS, Bundle, load_bundle
from relevance.padding import PADDING_SCORE
from relevance.template import FieldBudget
from tests.conftest import SplitBundles
from tests.tiny_split import TEMPLATE, split_parts, write_split_bundle
from training.models.split.graphs import EncoderGraph


@pytest.mark.parametrize("joint_layers", [1, 2, 3])
def test_a_bundle_is_compared_and_scores_do_not_depend_on_the_batch(
    split_bundles: SplitBundles, joint_layers: int
) -> None:
    bundle = split_bundles(joint_layers)
    split = bundle.manifest.split
    assert split is not None
    assert (bundle.manifest.architecture, split.joint_layers, split.latent_width) == (
        "split_cross_encoder",
        joint_layers,
        16,
    )
    assert set(split.graphs) == {"int8"}
    assert sorted(path.name for path in bundle.directory.glob("*.onnx")) == sorted(
        f"{part}.int8.onnx" for part in SPLIT_PARTS
    )
    # Less than a logit's last bit: alone, among others and at any padding it is the same number.
    assert bundle.manifest.parity["fp32"]["largest_batch_drift"] < 1e-7
    assert bundle.manifest.parity["int8"]["largest_batch_drift"] < 1e-7
    assert bundle.manifest.parity["fp32"]["kendall_tau"] > 0.97


def test_both_precisions_are_kept_where_both_are_asked_for(split_bundles: SplitBundles) -> None:
    bundle = split_bundles(precisions=("fp32", "int8"))
    assert set(bundle.manifest.precisions) == {"fp32", "int8"}
    assert bundle.encoder_version("fp32") != bundle.encoder_version("int8")


def test_graphs_of_another_student_are_refused(tmp_path: Path) -> None:
    source, lists, request = split_parts(tmp_path / "one")
    other, _, _ = split_parts(tmp_path / "other", seed=5)
    with pytest.raises(ParityError, match=r"joint\.onnx"):
        export_split_bundle(
            replace(source, reference=other.reference),
            lists,
            request,
            BundleOutput(tmp_path / "bundle", lambda _: "# x\n"),
        )
    assert not (tmp_path / "bundle").exists()


def test_a_student_whose_attention_sees_padding_is_refused(tmp_path: Path) -> None:
    source, lists, request = split_parts(tmp_path / "checkpoint")
    encoder = source.modules.encoder
    assert isinstance(encoder, EncoderGraph)
    with torch.no_grad():
        for layer in encoder.student.model.encoder.layer:
            layer.attention.self.query.weight.mul_(100.0)
    with pytest.raises(ParityError, match=r"encoder\.onnx: a text's states move by .* with the padding behind it"):
        export_split_bundle(source, lists, request, BundleOutput(tmp_path / "bundle", lambda _: "# x\n"))
    assert not (tmp_path / "bundle").exists()


def test_encoder_and_products_of_a_bundle_are_made_for_a_cpu(split_bundles: SplitBundles) -> None:
    """Padding has the score that processors do not stop at, and biases are added by the products before them."""
    for part in SPLIT_PARTS:
        nodes = onnx.load(str(split_bundles().split_path("int8", part))).graph.node
        attentions = [node for node in nodes if node.op_type == "QAttention"]
        assert bool(attentions) == (part == "encoder")
        for node in attentions:
            scores = [item.f for item in node.attribute if item.name == "mask_filter_value"]
            assert scores == [PADDING_SCORE]
        assert "BiasGelu" not in {node.op_type for node in nodes}


def test_a_student_without_late_interaction_has_the_same_graphs(tmp_path: Path) -> None:
    source, lists, request = split_parts(tmp_path / "checkpoint", late_interaction=False)
    export_split_bundle(source, lists, request, BundleOutput(tmp_path / "bundle", lambda _: "# x\n"))
    bundle = load_bundle(tmp_path / "bundle")
    inputs = {each.name for each in onnx.load(str(bundle.split_path("int8", "joint"))).graph.input}
    assert {"query_weights", "query_pooled"} < inputs
    assert bundle.manifest.parity["int8"]["largest_batch_drift"] < 1e-7


def test_the_version_is_the_weights(split_bundles: SplitBundles, tmp_path: Path) -> None:
    def version(bundle: Bundle) -> str:
        return bundle.manifest.version

    again = write_split_bundle(tmp_path / "again")
    assert version(again) == version(split_bundles()) != version(split_bundles(seed=1))


def test_positions_that_no_text_reaches_are_left_out(split_bundles: SplitBundles) -> None:
    bundle = split_bundles(precisions=("fp32", "int8"))
    graph = onnx.load(str(bundle.directory / "encoder.onnx"))
    heights = {item.dims[0] for item in graph.graph.initializer if len(item.dims) == 2 and item.dims[1] == 32}
    assert TEMPLATE.max_length in heights
    assert 512 not in heights


def test_in_half_precision_the_encoder_is_lower_and_pairs_are_scored_in_fp32(split_bundles: SplitBundles) -> None:
    bundle = split_bundles(precisions=("int8", "fp16"))
    parity = bundle.manifest.parity
    assert bundle.split_path("fp16", "joint").name == "joint.onnx"
    assert not (bundle.directory / "encoder.onnx").exists()
    encoder = onnx.load(str(bundle.split_path("fp16", "encoder"))).graph
    made_in_half = {item.name for item in encoder.initializer if item.data_type == onnx.TensorProto.FLOAT16}
    assert any("Attention" in name for name in made_in_half)
    # The latents' own products would round before they are put in steps.
    (directions,) = [node for node in encoder.node if node.op_type == "MatMul" and "directions" in node.name]
    assert directions.input[1] not in made_in_half
    assert parity["fp16"]["ties_at_top"] == 0
    assert parity["fp16"]["largest_logit_difference"] < 0.5


def test_records_belong_to_a_template(split_bundles: SplitBundles, tmp_path: Path) -> None:
    source, lists, request = split_parts(tmp_path / "checkpoint")
    # As long as TEMPLATE together, so that the encoder has as many positions.
    fields = (FieldBudget(field="title", max_tokens=11), FieldBudget(field="description", max_tokens=7))
    request = replace(request, template=TEMPLATE.model_copy(update={"fields": fields}))
    export_split_bundle(source, lists, request, BundleOutput(tmp_path / "bundle", lambda _: "# x\n"))
    other, own = load_bundle(tmp_path / "bundle"), split_bundles()
    assert other.manifest.files["encoder.int8.onnx"] == own.manifest.files["encoder.int8.onnx"]
    assert other.encoder_version("int8") != own.encoder_version("int8")


def test_large_weights_of_an_int8_bundle_are_stored_in_fp16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tiny student has none that are large.
    monkeypatch.setattr("export.half_weights.SMALLEST_BYTES", 256)
    bundle = write_split_bundle(tmp_path / "bundle")
    for part in SPLIT_PARTS:
        graph = onnx.load(str(bundle.split_path("int8", part))).graph
        large = [item for item in graph.initializer if numpy_helper.to_array(item).nbytes >= 256]
        assert not [item.name for item in large if item.data_type == TensorProto.FLOAT]
    assert any(item.data_type == TensorProto.FLOAT16 for item in graph.initializer)


def test_an_int8_joint_graph_keeps_the_late_features_in_fp32(split_bundles: SplitBundles) -> None:
    graph = onnx.load(str(split_bundles().directory / "joint.int8.onnx")).graph
    assert [node.op_type for node in graph.node if "/features/MatMul_output_0" in node.output] == ["MatMul"]
    assert any(node.op_type == "MatMulIntegerToFloat" for node in graph.node)
