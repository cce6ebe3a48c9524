"""A bundle of one student of a study, to serve and to measure it.

`python -m docs.scripts.export_variant --run-dir runs/study/seed-0 --variant 16x-split-1 --output runs/split/bundle`
exports what `training.study` left there, of either kind, calibrated on the run's held-out queries. A run of
`training.distill` ends with such a bundle by itself, and with a full model card; `--student RUN/student --config
configs/split-bundle.toml` exports its student again as a student of another configuration.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from export.bundle import BundleOutput, BundleRequest
from training.checks import general_check
from training.command_line import settings_of_run
from training.config import DistillSettings, StudentSettings
from training.config_file import load_settings
from training.evaluation.calibrate import fit_platt
from training.evaluation.evaluate import evaluate
from training.finish import export_student, student_system
from training.run_directory import MANIFEST
from training.stages import load_split
from training.student import load_student, student_rule


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
    run = settings_of_run(options.run_dir)
    settings = load_settings(options.config, {}).student if options.config else student_settings(folder, run)
    split = load_split(run)
    student = student_system(load_student(folder, settings), student_rule(folder, settings))
    held_out = evaluate(split.held_out, {"student": student})
    request = BundleRequest(
        name=options.output.name,
        template=settings.template,
        calibration=fit_platt(held_out.pairs.scores["student"], held_out.pairs.targets),
        training={"student": str(options.variant or folder.name)},
        metrics={"general_ndcg@10": evaluate(general_check(), {"student": student}).means("ndcg@10")},
        licences=(),
    )
    card = f"# {options.output.name}\n\nOne student of a study; its figures are in docs/split_student.md.\n"
    print(json.dumps(export_student(folder, settings, split, request, BundleOutput(options.output, lambda _: card))))


def student_settings(folder: Path, run: DistillSettings) -> StudentSettings:
    """What the student in `folder` was trained with: a study's says so itself, that of a run has the run's settings."""
    told = json.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("student")
    return run.student if told is None else StudentSettings.model_validate(told)


if __name__ == "__main__":
    main()
