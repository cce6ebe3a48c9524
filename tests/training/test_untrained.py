from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from relevance.bundle import load_bundle
from training import untrained
from training.config import StudentSettings
from training.models import untrained_shapes


def test_a_bundle_is_written_that_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained, "QUERIES", 8)
    # One of the six layers: what is compared is as exact, and there is less of it.
    shape = {"latent_width": 32, "encoder_layers": [0]}
    settings = StudentSettings.model_validate({"kind": "split", "split": shape})
    untrained.write_untrained(tmp_path / "deep" / "bundle", settings)
    bundle = load_bundle(tmp_path / "deep" / "bundle")
    assert bundle.manifest.name == "not-distilled"
    assert bundle.manifest.split is not None and bundle.manifest.split.latent_width == 32
    assert "Not distilled" in (bundle.directory / "README.md").read_text()


def test_a_shape_is_written_in_both_precisions_and_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(untrained, "QUERIES", 8)
    tiny = {"layers": 2, "hidden": 64, "heads": 2, "intermediate": 128}
    monkeypatch.setitem(untrained_shapes.SHAPES, "bert-base", tiny)
    bundle_dir, packed = tmp_path / "bundle", tmp_path / "packed.onnx"
    assert untrained.main(["-o", str(bundle_dir), "--kind", "bert-base", "--packed", str(packed)]) == 0
    bundle = load_bundle(bundle_dir)
    assert set(bundle.manifest.precisions) == {"fp32", "fp16"}
    assert bundle.manifest.training["shape"] == {"name": "bert-base", **tiny}
    assert bundle.manifest.parity["fp16"]["ties_at_top"] == 0
    graph, padded = onnx.load(str(packed)), onnx.load(str(bundle.graph_path("fp16")))
    kinds = [node.op_type for node in graph.graph.node]
    assert (kinds.count("PackedAttention"), kinds.count("Attention")) == (1, 0)
    assert list(graph.graph.initializer) == list(padded.graph.initializer), "one model, with padding and without"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [([], "a split student has none"), (["--kind", "minilm-l6", "--precisions", "fp32"], "add fp16 to --precisions")],
)
def test_what_has_no_packed_graph_is_refused_at_once(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        untrained.main(["-o", "x", "--packed", "y.onnx", *arguments])
    assert told in capsys.readouterr().err
