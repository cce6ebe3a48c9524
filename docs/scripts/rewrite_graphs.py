"""Gives a bundle whose checkpoint is no longer at hand what a new export does to its graphs.

`python -m docs.scripts.rewrite_graphs residual-norms --data chorus:DIR --output NEW_BUNDLE` takes models/cross-encoder,
rewrites each of its graphs by that step, and writes a bundle only if the logits stayed within the step's bounds: over
all judged pairs and the general check, in batches of many sizes. `last-layer` is `export.last_layer`, `residual-norms`
is `export.residual_norms`. Speed: `docs.scripts.last_layer_speed --graphs`. A new export does not need this.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, get_args

import onnx

from docs.scripts.requantise import copied
from export.bundle import in_building, put_in_place
from export.errors import ExportError, GraphError, ParityError
from export.last_layer import last_layer_for_cls
from export.padding import mask_padding
from export.parity import Bounds, JudgedList, Parity, batch_drift, broken_bound, compare, graph_logits
from export.product_biases import take_in_biases
from export.residual_norms import split_residual_norms
from relevance.bundle import CARD, Bundle, Precision, load_bundle, save_bundle
from training.checks import general_check
from training.config_file import load_settings
from training.finish import judged_lists
from training.stages import load_split


@dataclass(frozen=True, slots=True)
class Step:
    """A rewriting in place, how far it may move the logits, and what the card says of it."""

    rewrite: Callable[[onnx.ModelProto], None]
    precisions: Collection[str]
    bounds: Bounds
    title: str
    note: str


SAME_WEIGHTS: Final = Bounds(logit=0.5, ndcg=2e-3, tau=0.97, drift=1e-5, ties=0.01)
"""Of int8 graphs of the same weights: only an activation on the edge of a step of int8 may take the next one."""

EXACT: Final = Bounds(logit=1e-5, ndcg=1e-4, tau=0.999, drift=1e-5, ties=0.0)
"""To rounding."""


def for_fewer_passes(graph: onnx.ModelProto) -> None:
    """What the export does to the scores of padding and to biases, in place."""
    mask_padding(graph)
    take_in_biases(graph)


STEPS: Mapping[str, Step] = {
    "last-layer": Step(
        last_layer_for_cls,
        get_args(Precision),
        EXACT,
        "The last layer",
        "the last layer computed for [CLS] alone",
    ),
    "residual-norms": Step(
        split_residual_norms,
        ("int8",),
        # Exact to rounding in fp32.
        SAME_WEIGHTS,
        "Sums and norms",
        "residual sums and layer norms computed by themselves, which is faster on a CPU",
    ),
    "fewer-passes": Step(
        for_fewer_passes,
        ("int8",),
        EXACT,
        "Padding and biases",
        "a score for padding that processors do not stop at, and biases added by the products before them",
    ),
}


def main() -> int:
    """Write the new bundle and print what was compared; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
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
        print(json.dumps(rewritten(bundle, STEPS[options.step], lists, options.output)))
    except ExportError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def rewritten(bundle: Bundle, step: Step, lists: Sequence[JudgedList], target: Path) -> dict[str, object]:
    """Write the bundle with every graph rewritten; returns by precision what was compared."""
    compared: dict[str, Parity] = {}
    with in_building(target) as building:
        for precision, name in bundle.manifest.graphs.items():
            before, after = bundle.graph_path(precision), building / name
            if precision not in step.precisions:
                shutil.copyfile(before, after)
                continue
            rewrite(step, before, after)
            compared[precision] = parity_of((before, after), step.bounds, lists)
        finish(bundle, building, step, compared)
        put_in_place(building, target)
    return {precision: asdict(parity) for precision, parity in compared.items()}


def rewrite(step: Step, before: Path, after: Path) -> None:
    """Write the graph as the step leaves it; GraphError if that is as it was."""
    graph = onnx.load(str(before))
    whole = graph.SerializeToString(deterministic=True)
    step.rewrite(graph)
    if graph.SerializeToString(deterministic=True) == whole:
        raise GraphError(f"{before} has this step behind it already, or nothing to rewrite")
    onnx.save(graph, str(after))


def parity_of(graphs: tuple[Path, Path], bounds: Bounds, lists: Sequence[JudgedList]) -> Parity:
    """The graph after on the same pairs as the one before; ParityError if it passes a bound."""
    # One pad id is as good as another: padding is masked.
    before, after = (graph_logits(graph, lists, 0) for graph in graphs)
    targets = [judged.targets for judged in lists]
    parity = compare(targets, before, after, batch_drift(graphs[1], lists, after, 0))
    problem = broken_bound(parity, bounds)
    if problem:
        raise ParityError(f"{graphs[1].name}: {problem}; bounds: {bounds}")
    return parity


def finish(bundle: Bundle, directory: Path, step: Step, compared: Mapping[str, Parity]) -> None:
    """The bundle around the new graphs: a version of its own and a word in the card, all else as it was."""
    fields = copied(bundle, directory, next(iter(bundle.manifest.graphs.values())))
    reference = f"the graphs of version {bundle.manifest.version}"
    own = {precision: {**asdict(parity), "reference": reference} for precision, parity in compared.items()}
    fields["parity"] = {**bundle.manifest.parity, **own}
    card = (bundle.directory / CARD).read_text(encoding="utf-8").rstrip()
    moved = "; ".join(
        f"{precision}: mean and largest Δlogit {parity.mean_logit_difference:.1g} and "
        f"{parity.largest_logit_difference:.1g} over {parity.pairs} pairs, nDCG@10 {parity.ndcg_torch:.4f} → "
        f"{parity.ndcg_graph:.4f}"
        for precision, parity in compared.items()
    )
    # The table above is of the graphs before, which the manifest's parity is now measured against.
    note = f"The graphs are those of version {bundle.manifest.version} with {step.note} ({moved})."
    (directory / CARD).write_text(f"{card}\n\n## {step.title}\n\n{note}\n", encoding="utf-8")
    save_bundle(directory, fields)


if __name__ == "__main__":
    sys.exit(main())
