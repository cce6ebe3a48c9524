"""`python -m training.untrained -o DIR`: a bundle with the weights that a student starts from, or with random ones.

Its scores mean little, but its graphs have the shapes and so the speed of a distilled one: `loadtest.bench` and
`loadtest.gpu_bench` measure with it where no other is at hand. `--kind` is a split student, or a cross-encoder's shape.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import torch

from export.bundle import BundleOutput, BundleRequest, Source, export_bundle
from export.packing import to_packed
from export.split_bundle import export_split_bundle
from relevance.bundle import GRAPH_FILES, Precision
from relevance.calibration import Calibration
from training.command_line import run_command, thread_count
from training.config import STUDENT_TEMPLATE, DistillSettings, StudentSettings
from training.finish import judged_lists
from training.models.backbone import load_pair_encoder, tokenizer_file
from training.models.split.files import save_split
from training.models.split.start import initial_split, sentence_encoder
from training.models.untrained_shapes import SHAPE_NAMES, SHAPES, ShapeName, untrained_cross_encoder
from training.stages import load_split
from training.student.split_export import split_lists, split_source

SPLIT = "split"
CARD = "# Not distilled\n\nA student as it is before it learns, to measure its speed. Its scores mean little.\n"
QUERIES = 60
COMPARED_LISTS = 6
"""Of a shape of random weights: enough to see that a graph computes what the model does."""


def write_untrained(target: Path, settings: StudentSettings, precisions: tuple[Precision, ...] = ("int8",)) -> None:
    """Export the start of a split student of these settings, with ranges of the embedded catalogue, to `target`."""
    torch.manual_seed(0)
    split = load_split(DistillSettings(synthetic_judged_queries=QUERIES))
    rule = load_pair_encoder(settings.template, settings.backbone)
    texts = rule.encode_products(list(split.train.products.values()))
    student = initial_split(sentence_encoder(settings.backbone), settings.split, texts, rule)
    with tempfile.TemporaryDirectory() as checkpoint:
        save_split(student, Path(checkpoint))
        source = split_source(Path(checkpoint), tokenizer_file(settings.backbone), rule, split_lists(split.train, rule))
        target.parent.mkdir(parents=True, exist_ok=True)
        request = _request(settings, precisions, {})
        export_split_bundle(source, split_lists(split.held_out, rule), request, BundleOutput(target, lambda _: CARD))


def write_shape(target: Path, name: ShapeName, precisions: tuple[Precision, ...] = ("fp32", "fp16")) -> None:
    """Export a cross-encoder of random weights to `target`. There is no use in int8: random weights have no ranges."""
    settings = StudentSettings(template=STUDENT_TEMPLATE)
    split = load_split(DistillSettings(synthetic_judged_queries=QUERIES))
    rule = load_pair_encoder(settings.template)
    lists = judged_lists(split.held_out, rule)[:COMPARED_LISTS]
    with tempfile.TemporaryDirectory() as checkpoint:
        untrained_cross_encoder(name).save_pretrained(checkpoint)
        source = Source(Path(checkpoint), tokenizer_file(), rule.pad_id, ())
        target.parent.mkdir(parents=True, exist_ok=True)
        request = _request(settings, precisions, {"shape": {"name": name, **SHAPES[name]}})
        export_bundle(source, lists, request, BundleOutput(target, lambda _: CARD))


def write_packed(target: Path, bundle: Path) -> None:
    """The fp16 graph of a cross-encoder's bundle in packing mode, to measure that against padding."""
    target.parent.mkdir(parents=True, exist_ok=True)
    to_packed(bundle / GRAPH_FILES["fp16"], target)


def _request(settings: StudentSettings, precisions: tuple[Precision, ...], training: dict[str, Any]) -> BundleRequest:
    return BundleRequest(
        name="not-distilled",
        template=settings.template,
        calibration=Calibration(scale=1.0, bias=0.0),
        training=training,
        metrics={},
        licences=(),
        precisions=precisions,
    )


def _write(given: argparse.Namespace) -> None:
    precisions = {"precisions": tuple(given.precisions)} if given.precisions else {}
    if given.kind == SPLIT:
        write_untrained(given.output, StudentSettings(kind="split"), **precisions)
        return
    write_shape(given.output, given.kind, **precisions)
    if given.packed:
        write_packed(given.packed, given.output)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.untrained", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--kind", choices=(SPLIT, *SHAPE_NAMES), default=SPLIT, help=f"default: {SPLIT}")
    parser.add_argument(
        "--precisions", nargs="+", choices=get_args(Precision), help="default: int8; of a shape: fp32 fp16"
    )
    parser.add_argument("--packed", type=Path, metavar="FILE.onnx", help="of a shape: write it in packing mode, too")
    parser.add_argument("--threads", type=thread_count, help="CPU threads for torch")
    options = parser.parse_args(arguments)
    if options.packed and options.kind == SPLIT:
        parser.error("--packed is for a cross-encoder's shape; a split student has none")
    if options.packed and options.precisions and "fp16" not in options.precisions:
        parser.error("--packed is the fp16 graph without padding; add fp16 to --precisions")
    return run_command(options, _write)


if __name__ == "__main__":
    sys.exit(main())
