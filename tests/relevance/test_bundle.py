from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from relevance.bundle import (
    CARD,
    MANIFEST,
    TOKENIZER,
    Bundle,
    BundleAlteredError,
    BundleFormatError,
    BundleMissingError,
    load_bundle,
    manifest_digest,
    save_bundle,
)
from relevance.calibration import Calibration
from relevance.template import FieldBudget, Template
from tests.relevance.catalogue.hand_made import write_numbered

GRAPH = "model.int8.onnx"


def fields() -> dict[str, Any]:
    return {
        "name": "tiny",
        "version": "1",
        "template": Template(query_max_tokens=4, fields=(FieldBudget(field="title", max_tokens=8),)),
        "calibration": Calibration(scale=2.0, bias=-1.0),
        "graphs": {"int8": GRAPH},
        "metrics": {"ndcg@10": 0.8},
    }


@pytest.fixture
def bundle(tmp_path: Path, tokenizer: Tokenizer) -> Bundle:
    tokenizer.save(str(tmp_path / TOKENIZER))
    (tmp_path / GRAPH).write_bytes(bytes(range(256)))
    (tmp_path / CARD).write_text("# tiny\n", encoding="utf-8")
    return save_bundle(tmp_path, fields())


def test_what_is_saved_is_loaded(bundle: Bundle) -> None:
    loaded = load_bundle(bundle.directory)
    assert loaded == bundle
    assert loaded.manifest.calibration == Calibration(scale=2.0, bias=-1.0)
    assert loaded.graph_path("int8").read_bytes() == bytes(range(256))
    assert len(loaded.pair_encoder().encode_queries(["red shoe"])[0].ids) == 2


@pytest.mark.parametrize("name", [GRAPH, TOKENIZER, CARD, MANIFEST])
def test_a_flipped_bit_in_any_file_is_found(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    content = bytearray(path.read_bytes())
    # In the manifest this turns a digit of the calibration into another: still valid JSON.
    position = content.index(b"2.0") if name == MANIFEST else len(content) // 2
    content[position] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleAlteredError, match=name):
        load_bundle(bundle.directory)


@pytest.mark.parametrize("name", [GRAPH, TOKENIZER, CARD, MANIFEST])
def test_a_missing_file_is_named(bundle: Bundle, name: str) -> None:
    (bundle.directory / name).unlink()
    with pytest.raises(BundleMissingError, match=name):
        load_bundle(bundle.directory)


def test_a_truncated_file_is_found(bundle: Bundle) -> None:
    (bundle.directory / GRAPH).write_bytes(b"\x00")
    with pytest.raises(BundleAlteredError, match=GRAPH):
        load_bundle(bundle.directory)


@pytest.mark.parametrize("version", [2, 0, None, "1"])
def test_another_format_version_is_refused_by_number(bundle: Bundle, version: object) -> None:
    path = bundle.directory / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["format_version"] = version
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(BundleFormatError, match=f"format_version {version!r}, this Aisle reads 1"):
        load_bundle(bundle.directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "[" * 100_000], ids=lambda text: text[:9])
def test_a_manifest_that_is_no_json_object_is_refused(bundle: Bundle, text: str) -> None:
    (bundle.directory / MANIFEST).write_text(text, encoding="utf-8")
    with pytest.raises(BundleFormatError, match=rf"{MANIFEST} .*; restore the bundle from its source"):
        load_bundle(bundle.directory)


def test_a_graph_without_an_entry_is_named(bundle: Bundle) -> None:
    path = bundle.directory / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["files"][GRAPH], content["sha256"]
    path.write_text(json.dumps(content | {"sha256": manifest_digest(content)}), encoding="utf-8")
    with pytest.raises(BundleFormatError, match=f"{GRAPH} is used but has no entry under 'files'; export the bundle"):
        load_bundle(bundle.directory)


def test_the_manifest_of_something_else_is_told_in_one_line(bundle: Bundle, tmp_path: Path) -> None:
    path = bundle.directory / MANIFEST
    unfit = {"format_version": 1, "name": "x"}
    for content, message in (
        (
            {"name": "My Extension", "manifest_version": 3},
            r"manifest\.json is no bundle's: it has no format_version; give",
        ),
        (unfit | {"sha256": manifest_digest(unfit)}, r"manifest\.json is no bundle's: version: Field required; give"),
    ):
        path.write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(BundleFormatError, match=message) as caught:
            load_bundle(bundle.directory)
        assert "\n" not in str(caught.value)
    catalogue = write_numbered(tmp_path / "catalogue", 1)
    with pytest.raises(BundleFormatError, match=r"catalogue is a catalogue of product records and no bundle; give"):
        load_bundle(catalogue)


def test_an_unfinished_save_is_no_bundle(bundle: Bundle) -> None:
    (bundle.directory / MANIFEST).rename(bundle.directory / f"{MANIFEST}.partial")
    with pytest.raises(BundleMissingError, match="no finished bundle"):
        load_bundle(bundle.directory)


def test_a_graph_that_was_not_written_stops_the_save(bundle: Bundle) -> None:
    with pytest.raises(BundleMissingError, match=r"model\.fp16\.onnx"):
        save_bundle(bundle.directory, {**fields(), "graphs": {"fp16": "model.fp16.onnx"}})


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b"])
def test_a_manifest_can_not_point_outside_its_folder(bundle: Bundle, name: str) -> None:
    with pytest.raises((ValueError, BundleMissingError)):
        save_bundle(bundle.directory, {**fields(), "graphs": {"int8": name}})


def test_an_absent_precision_is_named_with_those_there_are(bundle: Bundle) -> None:
    with pytest.raises(BundleMissingError, match="no fp16 graph, only: int8; export it again"):
        bundle.graph_path("fp16")


def test_a_file_that_may_not_be_read_is_named(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path, *_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", closed)
    with pytest.raises(BundleMissingError, match=r"manifest.json cannot be read \(Permission denied\); check the perm"):
        load_bundle(bundle.directory)
