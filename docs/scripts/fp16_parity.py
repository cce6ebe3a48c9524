"""What lower precision costs a finished model: the export's own parity figures, one JSON line.

`python -m docs.scripts.fp16_parity --checkpoint RUN/teacher/member-0` exports a cross-encoder (any BERT checkpoint) in
fp32, fp16 and int8, `--split RUN/student` a split student, and compares each with its checkpoint on the general check's
100 lists. On a CPU: ONNX Runtime has few fp16 kernels there and computes most of them in fp32, rounding in between, so
that the figures prove the graph, and bound from below what a GPU's own fp16 rounds. int8 ranges come from the embedded
catalogue.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from export.bundle import BundleOutput, BundleRequest, Source, export_bundle
from export.split_bundle import export_split_bundle
from relevance.bundle import Precision
from relevance.calibration import Calibration
from relevance.template import Template
from training.checks import general_check
from training.config import STUDENT_TEMPLATE, DistillSettings, StudentSettings
from training.finish import judged_lists
from training.models.backbone import load_pair_encoder, tokenizer_file
from training.stages import load_split
from training.student.split_export import split_lists, split_source

PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8")
LEARNT_QUERIES = 60


def main() -> None:
    """Export and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--checkpoint", type=Path)
    what.add_argument("--split", type=Path)
    given = parser.parse_args()
    learnt = load_split(DistillSettings(synthetic_judged_queries=LEARNT_QUERIES)).train
    with tempfile.TemporaryDirectory() as folder:
        output = BundleOutput(Path(folder) / "bundle", lambda _: "x\n")
        if given.checkpoint:
            rule = load_pair_encoder(STUDENT_TEMPLATE)
            pairs = [pair for judged in judged_lists(learnt, rule) for pair in judged.pairs]
            source = Source(given.checkpoint, tokenizer_file(), rule.pad_id, pairs)
            parity = export_bundle(source, judged_lists(general_check(), rule), _request(STUDENT_TEMPLATE), output)
        else:
            template = StudentSettings.model_validate({"kind": "split"}).template
            rule = load_pair_encoder(template)
            split = split_source(given.split, tokenizer_file(), rule, split_lists(learnt, rule))
            parity = export_split_bundle(split, split_lists(general_check(), rule), _request(template), output)
    print(json.dumps(parity))


def _request(template: Template) -> BundleRequest:
    nothing: dict[str, Any] = {}
    return BundleRequest("compared", template, Calibration(), nothing, nothing, (), PRECISIONS)


if __name__ == "__main__":
    main()
