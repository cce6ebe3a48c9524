"""From a split student's modules to a verified bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from export.bundle import BundleOutput, BundleRequest, finish_bundle, in_building
from export.errors import ParityError
from export.graph import to_int8
from export.half_precision import to_fp16
from export.half_weights import halve_weights
from export.parity import BATCH_SIZES, INT8_BOUNDS, Bounds, checked, compare, largest_drift
from export.range_feeds import Feed, sample
from export.sessions import cpu_session
from export.split_graph import SplitModules, export_part
from export.split_runner import Ids, Logits, SplitList, SplitRunner, in_parts
from relevance.bundle import SPLIT_PARTS, Precision, SplitPart, sha256_of
from relevance.split_inputs import encoder_inputs

BOUNDS: dict[Precision, Bounds] = {
    # Records are in int8 in every precision, and round.
    "fp32": Bounds(logit=0.5, ndcg=2e-3, tau=0.97, drift=1e-5, ties=0.0),
    # The encoder alone is lower: a latent that it moves over the edge of a step is stored as the next.
    "fp16": Bounds(logit=0.5, ndcg=2e-3, tau=0.97, drift=2e-2, ties=0.01),
    # Each product by itself (`in_parts` mixes their lengths): no bit depends on the batch, so no rounding does.
    "int8": INT8_BOUNDS,
}
PADDING_DRIFT = 1e-4
"""How far padding may move a number of the encoder's states in fp32: ten times what rounding does."""
LISTS_TO_LEARN_FROM = 60
"""Each gives one query and some dozen products to the ranges."""

Reference = Callable[[SplitList], Logits]
"""What the checkpoint gives a list in fp32: logits (n,)."""

Files = Mapping[SplitPart, Path]


@dataclass(frozen=True, slots=True)
class SplitSource:
    """The student's modules and its own logits, its tokenizer.json, and lists of pairs that it learnt from."""

    modules: SplitModules
    reference: Reference
    tokenizer: Path
    pad_id: int
    lists: Sequence[SplitList]


def export_split_bundle(
    source: SplitSource, lists: Sequence[SplitList], request: BundleRequest, output: BundleOutput
) -> dict[str, Any]:
    """Export, lower and compare every precision, then write the bundle; returns the parity figures.

    As `export.bundle.export_bundle`.
    """
    with in_building(output.directory) as building:
        longest = request.template.max_length
        exact: Files = {part: building / f"{part}.onnx" for part in SPLIT_PARTS}
        for part in SPLIT_PARTS:
            export_part(source.modules, part, exact[part], longest)
        check_padding(exact["encoder"], [ids for judged in lists for ids in judged.products], source.pad_id, longest)
        parity = {"fp32": _parity(source, exact, "fp32", lists)}
        graphs: dict[Precision, Files] = {"fp32": exact}
        lowering: dict[Precision, Callable[[SplitSource, Files], Files]] = {"int8": _to_int8, "fp16": _to_fp16}
        for precision, lower in lowering.items():
            if precision in request.precisions:
                graphs[precision] = lower(source, exact)
                parity[precision] = _parity(source, graphs[precision], precision, lists)
        graphs = {precision: graphs[precision] for precision in request.precisions}
        used = {path for files in graphs.values() for path in files.values()}
        for path in set(exact.values()) - used:
            path.unlink()
        names = {precision: {part: path.name for part, path in files.items()} for precision, files in graphs.items()}
        shape = {
            "latent_width": source.modules.latent_width,
            "joint_layers": source.modules.joint_layers,
            "graphs": names,
        }
        fields = {
            "architecture": "split_cross_encoder",
            "split": shape,
            "version": version_of(next(iter(graphs.values()))),
        }
        finish_bundle(building, source.tokenizer, request, {**fields, "parity": parity}, output)
    return parity


def _to_int8(source: SplitSource, exact: Files) -> Files:
    """The int8 graphs beside the exact ones; each learns its ranges from what the exact ones before it give."""
    feeds = feeds_of(SplitRunner(exact, source.pad_id), source.lists, source.pad_id)
    lowered = {part: path.with_name(f"{part}.int8.onnx") for part, path in exact.items()}
    for part in SPLIT_PARTS:
        to_int8(exact[part], lowered[part], feeds[part])
        halve_weights(lowered[part])
    return lowered


def feeds_of(runner: SplitRunner, judged_lists: Sequence[SplitList], pad_id: int) -> dict[SplitPart, list[Feed]]:
    """Inputs of each part, from which it learns its ranges: of lists spread over all of these."""
    lists = [judged.part(0, 16) for judged in judged_lists[:: -(-len(judged_lists) // LISTS_TO_LEARN_FROM)]]
    texts = [ids for judged in lists for ids in (judged.query, *judged.products)]
    return {
        "encoder": [encoder_inputs([ids], pad_id) for ids in sample(texts)],
        "query": [{"hidden": runner.hidden(judged.query)} for judged in lists],
        "joint": [runner.joint_feed(judged) for judged in lists],
    }


def _to_fp16(source: SplitSource, exact: Files) -> Files:
    """The encoder in fp16; what is computed for a pair stays in fp32.

    The joint graph adds up int8 steps of a whole product and squares the sums, up to 10⁸, and fp16 ends at 65,504.
    There is next to nothing to win: it is a hundredth of a cross-encoder's arithmetic.
    """
    half = exact["encoder"].with_name("encoder.fp16.onnx")
    to_fp16(exact["encoder"], half)
    return {**exact, "encoder": half}


def _parity(source: SplitSource, files: Files, precision: Precision, lists: Sequence[SplitList]) -> dict[str, Any]:
    runner, sizes = SplitRunner(files, source.pad_id), cycle(BATCH_SIZES)
    reference = [source.reference(judged) for judged in lists]
    measured = [np.concatenate([runner.logits(part) for part in in_parts(judged, sizes)]) for judged in lists]
    targets = [judged.targets for judged in lists]
    parity = compare(targets, reference, measured, drift_of(runner, lists, measured))
    return checked(parity, files["joint"].name, precision, BOUNDS[precision])


def check_padding(encoder: Path, texts: Sequence[Ids], pad_id: int, longest: int) -> None:
    """ParityError if a text's states move when it is padded to `longest`; all other comparisons encode each text alone.

    A service encodes texts of many lengths together, and a record must not depend on those beside it.
    """
    session = cpu_session(encoder)
    drift = 0.0
    for ids in sample(texts):
        feeds = encoder_inputs([ids], pad_id), encoder_inputs([ids], pad_id, (1, longest))
        alone, padded = (session.run(["hidden"], feed)[0][:, : len(ids)] for feed in feeds)
        # Not the larger of two: that would leave out nan.
        drift = float(np.maximum(drift, np.abs(alone - padded).max()))
    if not drift <= PADDING_DRIFT:
        raise ParityError(
            f"{encoder.name}: a text's states move by {drift:.4g} with the padding behind it (bound: at most "
            f"{PADDING_DRIFT:g}): attention scores are so large that padding has a weight among them; train the "
            "student anew at a lower learning rate, or from another backbone"
        )


def drift_of(runner: SplitRunner, lists: Sequence[SplitList], in_batches: Sequence[Logits]) -> float:
    """`export.parity.largest_drift` of a split student's graphs."""
    pairs = [judged.part(row, 1) for judged in lists for row in range(len(judged.products))]
    return largest_drift(runner.logits, pairs, in_batches)


def version_of(files: Files) -> str:
    """Named by content: two bundles with one version hold the same weights."""
    return hashlib.sha256("".join(sha256_of(files[part]) for part in SPLIT_PARTS).encode()).hexdigest()[:12]
