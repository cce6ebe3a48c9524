"""From a checkpoint to a verified bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import BertConfig

from export.errors import ExportError
from export.graph import Heads, export_fp32, fuse_cross_encoder, to_int8
from export.half_precision import to_fp16
from export.parity import JudgedList, check_parity
from export.range_feeds import pair_feeds
from relevance.bundle import CARD, GRAPH_FILES, TOKENIZER, Precision, save_bundle, sha256_of
from relevance.calibration import Calibration, LabelBand
from relevance.disk_errors import remedy
from relevance.pair_encoding import EncodedPair
from relevance.template import Template

LABELS = (
    LabelBand(name="irrelevant", min_score=0.0),
    LabelBand(name="partial", min_score=1 / 3),
    LabelBand(name="relevant", min_score=2 / 3),
)


BUILDING, BEFORE = "{name}.building", ".{name}.aisle-replaced"
"""The folders beside a bundle's: the one that becomes it, and, under a name that nobody else gives, the one that it
replaces."""


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


@dataclass(frozen=True, slots=True)
class BundleOutput:
    """The folder that becomes the bundle, and what writes its card from the manifest's fields."""

    directory: Path
    write_card: CardWriter


def export_bundle(
    source: Source, lists: Sequence[JudgedList], request: BundleRequest, output: BundleOutput
) -> dict[str, Any]:
    """Export, fuse, lower and compare every precision, then write the bundle; returns the parity figures.

    The graphs are built beside the output's folder, which appears only once all of them have passed.
    """
    with in_building(output.directory) as building:
        parity = _build_graphs(source, lists, request.precisions, building)
        graphs = {precision: GRAPH_FILES[precision] for precision in request.precisions}
        # Named by content: two bundles with one version hold the same weights.
        version = sha256_of(building / next(iter(graphs.values())))[:12]
        fields = {"graphs": graphs, "version": version, "parity": parity}
        finish_bundle(building, source.tokenizer, request, fields, output)
    return parity


@contextmanager
def in_building(target: Path) -> Iterator[Path]:
    """An empty folder beside `target`, which is not touched until the bundle in it is finished."""
    building, before = (target.with_name(form.format(name=target.name)) for form in (BUILDING, BEFORE))
    for place in (target, building, before):
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            raise ExportError(f"{place} is a file or a link, where a folder is to be put; move it away and run again")
    try:
        _put_back(before, target)
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        yield building
    except OSError as error:
        raise ExportError(
            f"{error.filename or building} cannot be used ({error.strerror or error}); {remedy(error)}"
        ) from error
    finally:
        # After success there is none; graphs that were refused, or half of one, must not go on filling a full disk.
        shutil.rmtree(building, ignore_errors=True)


def finish_bundle(
    building: Path, tokenizer: Path, request: BundleRequest, fields: Mapping[str, Any], output: BundleOutput
) -> None:
    """Add the tokenizer's file, card and manifest to the graphs in `building`, and put that folder in its place.

    `fields` are the manifest's of the graphs.
    """
    shutil.copyfile(tokenizer, building / TOKENIZER)
    whole = {
        **fields,
        "name": request.name,
        "template": request.template,
        "calibration": request.calibration,
        "labels": LABELS,
        "training": request.training,
        "metrics": request.metrics,
        "licences": request.licences,
    }
    (building / CARD).write_text(output.write_card(whole), encoding="utf-8")
    save_bundle(building, whole)
    put_in_place(building, output.directory)


def put_in_place(building: Path, target: Path) -> None:
    """Make a finished folder the bundle `target`. Until it is there, the old one is, or lies beside it."""
    before = target.with_name(BEFORE.format(name=target.name))
    if target.exists():
        target.rename(before)
    try:
        building.rename(target)
    finally:
        _put_back(before, target)


def _put_back(before: Path, target: Path) -> None:
    """What a new bundle was to replace: removed if it did, back in its place if it did not."""
    if target.exists():
        shutil.rmtree(before, ignore_errors=True)
    elif before.exists():
        before.rename(target)


def _build_graphs(
    source: Source, lists: Sequence[JudgedList], precisions: Sequence[Precision], directory: Path
) -> dict[str, Any]:
    config = BertConfig.from_pretrained(source.checkpoint)
    heads = Heads(config.num_attention_heads, config.hidden_size)
    raw, fused = directory / "raw.onnx", directory / GRAPH_FILES["fp32"]
    export_fp32(source.checkpoint, raw)
    fuse_cross_encoder(raw, fused, heads)
    raw.unlink()
    parity: dict[str, Any] = {"fp32": check_parity(source.checkpoint, fused, "fp32", lists, source.pad_id)}
    for precision in precisions:
        graph = directory / GRAPH_FILES[precision]
        if precision == "int8":
            to_int8(fused, graph, pair_feeds(source.pairs))
        elif precision == "fp16":
            to_fp16(fused, graph)
        if precision != "fp32":
            parity[precision] = check_parity(source.checkpoint, graph, precision, lists, source.pad_id)
    if "fp32" not in precisions:
        fused.unlink()
    return parity
