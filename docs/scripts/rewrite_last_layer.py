"""Gives a bundle whose checkpoint is no longer at hand the last layer for [CLS] alone (`export.last_layer`).

`python -m docs.scripts.rewrite_last_layer --data chorus:DIR --output NEW_BUNDLE` takes models/cross-encoder, rewrites
each of its graphs, and writes a bundle only if no logit moved: over all judged pairs and the general check, in
batches of many sizes. Speed: `docs.scripts.last_layer_speed --graphs`. A new export does not need this.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from docs.scripts.requantise import copied
from export.bundle import in_building
from export.errors import ExportError, ParityError
from export.last_layer import last_layer_for_cls
from export.parity import JudgedList, batch_drift, graph_logits
from relevance.bundle import CARD, Bundle, load_bundle, save_bundle
from training.checks import general_check
from training.config import load_settings
from training.finish import judged_lists
from training.stages import load_split

LARGEST_DIFFERENCE = 1e-5


def main() -> int:
    """Write the new bundle and print what was compared; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/cross-encoder"))
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    split, encoder = load_split(load_settings(None, {"data": options.data})), bundle.pair_encoder()
    lists = [
        judged for data in (split.train, split.held_out, general_check()) for judged in judged_lists(data, encoder)
    ]
    try:
        print(json.dumps(rewritten(bundle, lists, options.output)))
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def rewritten(bundle: Bundle, lists: Sequence[JudgedList], target: Path) -> dict[str, dict[str, float]]:
    """Write the bundle with every graph rewritten; returns by precision what was compared."""
    compared: dict[str, dict[str, float]] = {}
    with in_building(target) as building:
        for precision, name in bundle.manifest.graphs.items():
            graph = onnx.load(str(bundle.graph_path(precision)))
            last_layer_for_cls(graph)
            onnx.save(graph, str(building / name))
            compared[precision] = compare(bundle.graph_path(precision), building / name, lists)
        finish(bundle, building, max(figures["largest_difference"] for figures in compared.values()))
        shutil.rmtree(target, ignore_errors=True)
        building.rename(target)
    return compared


def compare(before: Path, after: Path, lists: Sequence[JudgedList]) -> dict[str, float]:
    """Both graphs on the same pairs; ParityError if a logit differs."""
    # One pad id is as good as another: padding is masked.
    old, new = graph_logits(before, lists, 0), graph_logits(after, lists, 0)
    gaps = np.abs(np.concatenate(old) - np.concatenate(new))
    if not gaps.max() <= LARGEST_DIFFERENCE:
        raise ParityError(
            f"{after.name}: the largest logit difference is {gaps.max():.4g}, "
            f"{(gaps > LARGEST_DIFFERENCE).sum()} of {gaps.size} pairs pass {LARGEST_DIFFERENCE}"
        )
    return {
        "pairs": gaps.size,
        "largest_difference": float(gaps.max()),
        "largest_batch_drift": batch_drift(after, lists, new, 0),
    }


def finish(bundle: Bundle, directory: Path, difference: float) -> None:
    """The bundle around the new graphs: a version of its own and a word in the card, all else as it was."""
    fields = copied(bundle, directory, next(iter(bundle.manifest.graphs.values())))
    card = (bundle.directory / CARD).read_text(encoding="utf-8").rstrip()
    note = (
        f"The graphs are those of version {bundle.manifest.version} with the last layer computed for [CLS] alone. "
        f"No logit differs from theirs by more than {difference:.1g}, so all figures above are those of either."
    )
    (directory / CARD).write_text(f"{card}\n\n## The last layer\n\n{note}\n", encoding="utf-8")
    save_bundle(directory, fields)


if __name__ == "__main__":
    sys.exit(main())
