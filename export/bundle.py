"""From a checkpoint to a verified bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import BertConfig

from export.graph import export_fp32, fuse, to_fp16, to_int8
from export.parity import JudgedList, check_parity
from relevance.bundle import CARD, GRAPH_FILES, TOKENIZER, Precision, save_bundle, sha256_of
from relevance.calibration import Calibration, LabelBand
from relevance.pair_encoding import EncodedPair
from relevance.template import Template

LABELS = (
    LabelBand(name="irrelevant", min_score=0.0),
    LabelBand(name="partial", min_score=1 / 3),
    LabelBand(name="relevant", min_score=2 / 3),
)


@dataclass(frozen=True, slots=True)
class BundleRequest:
    """All that a bundle says of itself besides its graphs."""

    name: str
    template: Template
    calibration: Calibration
    training: dict[str, Any]
    metrics: dict[str, Any]
    licences: tuple[str, ...]
    precisions: tuple[Precision, ...] = ("int8",)


@dataclass(frozen=True, slots=True)
class Source:
    """Where the model comes from: a checkpoint folder, its tokenizer.json, and pairs that it learnt from.

    The pairs show the ranges of its activations; those that it is compared on are others.
    """

    checkpoint: Path
    tokenizer: Path
    pad_id: int
    pairs: Sequence[EncodedPair]


CardWriter = Callable[[dict[str, Any]], str]


def export_bundle(
    source: Source, lists: Sequence[JudgedList], request: BundleRequest, output: tuple[Path, CardWriter]
) -> dict[str, Any]:
    """Export, fuse, lower and compare every precision, then write the bundle; returns the parity figures.

    `output` is the bundle's folder and what writes its card from the manifest's fields. The graphs are
    built beside the folder, which appears only once all of them have passed.
    """
    target, write_card = output
    building = target.with_name(f"{target.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    parity = _build_graphs(source, lists, request.precisions, building)
    shutil.copyfile(source.tokenizer, building / TOKENIZER)
    fields = _manifest_fields(request, building, parity)
    (building / CARD).write_text(write_card(fields), encoding="utf-8")
    save_bundle(building, fields)
    shutil.rmtree(target, ignore_errors=True)
    building.rename(target)
    return parity


def _build_graphs(
    source: Source, lists: Sequence[JudgedList], precisions: Sequence[Precision], directory: Path
) -> dict[str, Any]:
    config: BertConfig = BertConfig.from_pretrained(source.checkpoint)
    raw, fused = directory / "raw.onnx", directory / GRAPH_FILES["fp32"]
    export_fp32(source.checkpoint, raw)
    fuse(raw, fused, config)
    raw.unlink()
    parity: dict[str, Any] = {"fp32": check_parity(source.checkpoint, fused, "fp32", lists, source.pad_id)}
    for precision in precisions:
        graph = directory / GRAPH_FILES[precision]
        if precision == "int8":
            to_int8(fused, graph, source.pairs)
        elif precision == "fp16":
            to_fp16(fused, graph, config)
        if precision != "fp32":
            parity[precision] = check_parity(source.checkpoint, graph, precision, lists, source.pad_id)
    if "fp32" not in precisions:
        fused.unlink()
    return parity


def _manifest_fields(request: BundleRequest, directory: Path, parity: dict[str, Any]) -> dict[str, Any]:
    graphs = {precision: GRAPH_FILES[precision] for precision in request.precisions}
    return {
        "name": request.name,
        # Named by content: two bundles with one version hold the same weights.
        "version": sha256_of(directory / next(iter(graphs.values())))[:12],
        "template": request.template,
        "calibration": request.calibration,
        "labels": LABELS,
        "graphs": graphs,
        "training": request.training,
        "metrics": request.metrics,
        "parity": parity,
        "licences": request.licences,
    }
