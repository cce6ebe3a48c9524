"""A bundle of one split student of a study, to serve and to measure it.

`python -m docs.scripts.export_variant --run-dir runs/study/seed-0 --variant 16x-split-1 --output runs/split/bundle`
exports what `training.study split` left there, calibrated on the run's held-out queries. A run of
`training.distill --student split` ends with such a bundle by itself, and with a full model card; `--student RUN/student
--config configs/split-bundle.toml` exports its student again with the template of another configuration.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from export.bundle import BundleRequest
from export.split_bundle import export_split_bundle
from relevance.template import Template
from training.checks import general_check
from training.command_line import settings_of_run
from training.config import StudentSettings, load_settings
from training.evaluation.calibrate import fit_platt
from training.evaluation.evaluate import evaluate
from training.finish import student_system
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split
from training.stages import load_split as load_queries
from training.student.split_export import split_lists, split_source


def main() -> None:
    """Export one variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--run-dir", "--output"):
        parser.add_argument(name, type=Path, required=True)
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--variant")
    which.add_argument("--student", type=Path)
    parser.add_argument("--config", type=Path)
    options = parser.parse_args()
    folder = options.student or options.run_dir / "variants" / options.variant
    student = load_split(folder)
    split = load_queries(settings_of_run(options.run_dir))
    template = template_of(options.config)
    rule = load_pair_encoder(template)
    held_out = evaluate(split.held_out, {"student": student_system(student, rule)})
    request = BundleRequest(
        name=options.output.name,
        template=template,
        calibration=fit_platt(held_out.pairs.scores["student"], held_out.pairs.targets),
        training={"student": str(options.variant or folder.name)},
        metrics={},
        licences=(),
    )
    source = split_source(folder, None, rule, split_lists(split.train, rule))
    lists = [*split_lists(split.held_out, rule), *split_lists(general_check(), rule)]
    card = f"# {options.output.name}\n\nOne student of a study; its figures are in docs/split_student.md.\n"
    print(json.dumps(export_split_bundle(source, lists, request, (options.output, lambda _: card))))


def template_of(config: Path | None) -> Template:
    """The student's template in a configuration; without one, the default of its kind."""
    if config is None:
        return StudentSettings.model_validate({"kind": "split"}).template
    return load_settings(config, {}).student.template


if __name__ == "__main__":
    main()
