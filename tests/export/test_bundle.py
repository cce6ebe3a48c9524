from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from transformers import BertForSequenceClassification

from export.bundle import BundleOutput, BundleRequest, Source, export_bundle, finish_bundle, in_building
from export.errors import CheckpointError, ExportError, ParityError
from export.graph import export_fp32
from export.parity import BOUNDS, Bounds, JudgedList, check_parity
from relevance.bundle import Bundle, load_bundle
from relevance.calibration import Calibration
from relevance.pair_encoding import EncodedPair
from training.config import STUDENT_TEMPLATE
from training.models.backbone import backbone_directory, load_cross_encoder
from training.student import student_from

REQUEST = BundleRequest("tiny", STUDENT_TEMPLATE, Calibration(), {}, {}, ("none",))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    # Real weights, for int8 on random ones says nothing; a wide head, for the logits must differ to be ranked.
    torch.manual_seed(0)
    model = student_from(load_cross_encoder(), [0, 5])
    torch.nn.init.normal_(model.classifier.weight, std=2.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _bounds_for_an_untrained_head() -> Iterator[None]:
    # A random head reads directions that carry noise, which int8 does not keep; a trained one does not.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BOUNDS, "int8", Bounds(logit=10.0, ndcg=0.5, tau=0.7, drift=BOUNDS["int8"].drift, ties=1.0))
        yield


def judged_lists(count: int = 12, seed: int = 0) -> list[JudgedList]:
    """Lists of 1 to 40 random pairs of 5 to 60 tokens."""
    rng = np.random.default_rng(seed)
    lists = []
    for size in rng.integers(1, 40, size=count):
        pairs = []
        for length in rng.integers(2, 57, size=size):
            tokens = tuple(map(int, rng.integers(1000, 30000, size=length)))
            cut = length // 3
            pairs.append(
                EncodedPair((101, *tokens[:cut], 102, *tokens[cut:], 102), (0,) * (cut + 2) + (1,) * (length - cut + 1))
            )
        lists.append(JudgedList(pairs, rng.choice([0.0, 0.5, 1.0], size=size)))
    return lists


def source(checkpoint: Path) -> Source:
    pairs = [pair for judged in judged_lists(4, seed=1) for pair in judged.pairs]
    return Source(checkpoint, backbone_directory() / "tokenizer.json", 0, pairs)


@pytest.fixture(scope="module")
def exported(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, dict[str, Any]]:
    """The checkpoint's bundle, only to be read, and the parity figures that its export returned."""
    directory = tmp_path_factory.mktemp("exported") / "bundle"
    parity = export_bundle(
        source(checkpoint), judged_lists(), REQUEST, BundleOutput(directory, lambda fields: "# card\n")
    )
    return load_bundle(directory), parity


@pytest.fixture(scope="module")
def int8_graph(exported: tuple[Bundle, dict[str, Any]]) -> onnx.GraphProto:
    return onnx.load(str(exported[0].graph_path("int8"))).graph


def test_a_checkpoint_becomes_a_bundle_that_computes_the_same(exported: tuple[Bundle, dict[str, Any]]) -> None:
    bundle, parity = exported
    assert parity["fp32"]["largest_logit_difference"] < 1e-4
    assert 0.7 <= parity["int8"]["kendall_tau"] < 1.0
    assert set(bundle.manifest.graphs) == {"int8"}
    assert bundle.manifest.parity == parity
    assert sorted(path.name for path in bundle.directory.iterdir()) == [
        "README.md", "manifest.json", "model.int8.onnx", "tokenizer.json",
    ]  # fmt: skip


def test_the_graph_is_fused_and_quantised(int8_graph: onnx.GraphProto) -> None:
    nodes = [node.op_type for node in int8_graph.node]
    operators = set(nodes)
    # Two a layer, each beside its sum: the fused kernel is the slower one.
    assert (nodes.count("LayerNormalization"), nodes.count("Sum")) == (4, 4)
    assert "SkipLayerNormalization" not in operators
    # Two layers: the last one attends from [CLS] alone.
    assert (nodes.count("QAttention"), nodes.count("MultiHeadAttention")) == (1, 1)
    assert {"QAttention", "MatMulIntegerToFloat", "QuantizeLinear"} <= operators
    assert not operators & {"DynamicQuantizeLinear", "MatMulInteger", "Gemm"}
    # The head alone is in fp32: one column, in which 8 bits would cost more than they save.
    (weight,) = [node.input[1] for node in int8_graph.node if node.op_type == "MatMul"]
    assert [list(item.dims) for item in int8_graph.initializer if item.name == weight] == [[384, 1]]


def test_two_products_of_int8_fit_in_16_bits(int8_graph: onnx.GraphProto) -> None:
    # A processor without VNNI adds them there, and what does not fit saturates.
    products = [node for node in int8_graph.node if node.op_type in {"QAttention", "MatMulIntegerToFloat"}]
    read_by_products = {node.input[1] for node in products}
    weights = [onnx.numpy_helper.to_array(item) for item in int8_graph.initializer if item.name in read_by_products]
    assert len(weights) == len(read_by_products) > 4
    assert 2 * 255 * max(int(np.abs(values.astype(int)).max()) for values in weights) < 2**15


def test_an_int8_logit_is_its_pair_s_own_in_any_batch(exported: tuple[Bundle, dict[str, Any]]) -> None:
    _, parity = exported
    assert parity["int8"]["largest_batch_drift"] <= 1e-5


def test_int8_without_a_pair_to_learn_ranges_from_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="at least one input"):
        export_bundle(
            replace(source(checkpoint), pairs=[]),
            judged_lists(2),
            REQUEST,
            BundleOutput(tmp_path / "bundle", lambda fields: "x"),
        )


def test_fp16_keeps_the_types_of_inputs_and_logits_and_the_head_in_fp32(checkpoint: Path, tmp_path: Path) -> None:
    request = replace(REQUEST, precisions=("fp16",))
    parity = export_bundle(
        source(checkpoint), judged_lists(4), request, BundleOutput(tmp_path / "bundle", lambda _: "x")
    )
    assert parity["fp16"]["ties_at_top"] == 0 < parity["fp16"]["places_at_top"]
    graph = onnx.load(str(tmp_path / "bundle" / "model.fp16.onnx")).graph
    assert {item.type.tensor_type.elem_type for item in graph.input} == {onnx.TensorProto.INT64}
    assert graph.output[0].type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    types = {item.name: item.data_type for item in graph.initializer}
    head = {name for name in types if name.startswith(("classifier.", "bert.pooler."))}
    assert len(head) == 4
    assert {types[name] for name in head} == {onnx.TensorProto.FLOAT}
    layers = {name for name in types if name.startswith("bert.encoder.") or name.endswith("_qkv_weight")}
    assert {types[name] for name in layers} == {onnx.TensorProto.FLOAT16}
    # The rows of [CLS] are picked before they are cast: casting all tokens would cost more than the head.
    (gather,) = [node for node in graph.node if node.op_type == "Gather" and "pooler" in node.name]
    assert not gather.input[0].endswith("_cast_to_fp32")


def test_another_models_graph_fails_with_the_largest_difference(checkpoint: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    model = BertForSequenceClassification.from_pretrained(checkpoint)
    torch.nn.init.normal_(model.classifier.weight, std=3.0)
    model.save_pretrained(other)
    export_fp32(other, tmp_path / "other.onnx")
    with pytest.raises(ParityError, match=r"other\.onnx: the largest logit difference is \d"):
        check_parity(checkpoint, tmp_path / "other.onnx", "fp32", judged_lists(4), 0)


def test_a_failed_comparison_leaves_no_bundle(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ParityError("largest difference 9")

    monkeypatch.setattr("export.bundle.check_parity", fail)
    with pytest.raises(ParityError):
        export_bundle(
            source(checkpoint), judged_lists(2), REQUEST, BundleOutput(tmp_path / "bundle", lambda fields: "x")
        )
    assert not (tmp_path / "bundle").exists()


def put(target: Path) -> None:
    with in_building(target) as building:
        (building / "model").write_text("new", encoding="utf-8")
        tokenizer = backbone_directory() / "tokenizer.json"
        finish_bundle(building, tokenizer, REQUEST, {}, BundleOutput(target, lambda _: "x"))


@pytest.mark.parametrize("name", ["bundle", "bundle.building", ".bundle.aisle-replaced"])
@pytest.mark.parametrize("link", [False, True])
def test_a_file_or_a_link_where_the_bundle_is_to_be_put_is_refused(tmp_path: Path, name: str, link: bool) -> None:
    place = tmp_path / name
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model").touch()
    place.symlink_to(tmp_path / "mine") if link else place.touch()
    with (
        pytest.raises(ExportError, match=rf"^{place} is a file or a link, .*; move it away"),
        in_building(tmp_path / "bundle"),
    ):
        raise AssertionError("begun")
    assert (tmp_path / "mine" / "model").exists()


def test_a_bundle_that_is_there_is_replaced_when_the_new_one_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "bundle"
    target.mkdir()
    (target / "model").write_text("old", encoding="utf-8")
    rename = Path.rename
    monkeypatch.setattr("export.bundle.save_bundle", lambda *_: None)

    def refuse(path: Path, to: Path) -> Path:
        if path.name == "bundle.building":
            raise OSError(errno.EIO, "Input/output error")
        return rename(path, to)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(ExportError, match=rf"^{target}\.building cannot be used \(Input/output error\); mend"):
            put(target)
    assert (target / "model").read_text(encoding="utf-8") == "old"
    # As a kill between the two leaves it.
    target.rename(tmp_path / ".bundle.aisle-replaced")
    with pytest.raises(ValueError, match="no graph"), in_building(target):
        raise ValueError("no graph")
    assert (target / "model").read_text(encoding="utf-8") == "old"
    put(target)
    assert (target / "model").read_text(encoding="utf-8") == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_copy_of_a_bundle_beside_it_is_nobodys_but_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("export.bundle.save_bundle", lambda *_: None)
    for name in ("before", "old", "replaced"):
        (tmp_path / f"bundle.{name}").mkdir()
        (tmp_path / f"bundle.{name}" / "model").write_text(name, encoding="utf-8")
    for _ in range(2):
        put(tmp_path / "bundle")
    kept = {path.name: (path / "model").read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert kept == {"bundle": "new", "bundle.before": "before", "bundle.old": "old", "bundle.replaced": "replaced"}


def test_a_full_disk_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    told = rf"^{tmp_path}/bundle\.building cannot be used \(File too large\); free space there and run again$"
    with pytest.raises(ExportError, match=told), in_building(tmp_path / "bundle"):
        raise OSError(errno.EFBIG, "File too large")


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        export_fp32(tmp_path, tmp_path / "x.onnx")
