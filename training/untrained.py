"""`python -m training.untrained -o DIR`: a split student's bundle with the weights that it starts from.

Its scores mean little, but its graphs have the shapes and so the speed of a distilled one: `loadtest.bench` measures
with it where no other is at hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from export.bundle import BundleRequest
from export.split_bundle import export_split_bundle
from relevance.calibration import Calibration
from training.command_line import run_command
from training.config import DistillSettings, StudentSettings
from training.models.backbone import load_pair_encoder
from training.models.split.files import save_split
from training.models.split.start import initial_split, sentence_encoder
from training.stages import load_split
from training.student.split_export import split_lists, split_source

CARD = "# Not distilled\n\nA split student as it is before it learns, to measure its speed. Its scores mean little.\n"
QUERIES = 60


def write_untrained(target: Path, settings: StudentSettings) -> None:
    """Export the start of a student of these settings, with ranges of the embedded catalogue, to `target`."""
    torch.manual_seed(0)
    split = load_split(DistillSettings(synthetic_judged_queries=QUERIES))
    rule = load_pair_encoder(settings.template, settings.backbone)
    texts = rule.encode_products(list(split.train.products.values()))
    student = initial_split(sentence_encoder(settings.backbone), settings.split, texts, rule)
    request = BundleRequest(
        name="not-distilled",
        template=settings.template,
        calibration=Calibration(scale=1.0, bias=0.0),
        training={},
        metrics={},
        licences=(),
    )
    with tempfile.TemporaryDirectory() as checkpoint:
        save_split(student, Path(checkpoint))
        source = split_source(Path(checkpoint), settings.backbone, rule, split_lists(split.train, rule))
        target.parent.mkdir(parents=True, exist_ok=True)
        export_split_bundle(source, split_lists(split.held_out, rule), request, (target, lambda _: CARD))


def main(arguments: Sequence[str] | None = None) -> int:
    """Write one; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.untrained", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="directory of the bundle")
    parser.add_argument("--threads", type=int, help="CPU threads for torch")
    options = parser.parse_args(arguments)
    return run_command(options, lambda given: write_untrained(given.output, StudentSettings(kind="split")))


if __name__ == "__main__":
    sys.exit(main())
