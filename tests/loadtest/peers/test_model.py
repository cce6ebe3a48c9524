from __future__ import annotations

import json
from pathlib import Path

from loadtest.peers.model import GRAPH, write_model_directory
from relevance.bundle import Bundle, sha256_of


def test_a_peer_finds_the_very_graph_and_no_other_weights(bundle: Bundle, tmp_path: Path) -> None:
    write_model_directory(bundle, tmp_path / "model")
    files = {path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*.*")}
    assert files == {GRAPH, "config.json", "tokenizer.json", "tokenizer_config.json"}
    assert sha256_of(tmp_path / "model" / GRAPH) == bundle.manifest.files["model.int8.onnx"].sha256


def test_its_tokenizer_neither_pads_nor_cuts_on_its_own(bundle: Bundle, tmp_path: Path) -> None:
    write_model_directory(bundle, tmp_path / "model")
    original = json.loads((bundle.directory / "tokenizer.json").read_text())
    written = json.loads((tmp_path / "model/tokenizer.json").read_text())
    assert written == original | {"padding": None, "truncation": None}
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["vocab_size"] == len(original["model"]["vocab"])
    assert len(config["id2label"]) == 1
