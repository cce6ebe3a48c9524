"""What a split student ranks like when its late-interaction features count for more than training made them.

`python -m docs.scripts.late_share --run-dir runs/split` scores the run's held-out queries and the general check with so
much added to the head's weights of cosine and MaxSim. Nothing is trained.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from training.checks import general_check
from training.command_line import settings_of_run
from training.evaluation.evaluate import evaluate
from training.evaluation.measure import HEADLINE
from training.finish import student_system
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split
from training.models.split.student import FEATURE_SCALE
from training.stages import load_split as load_queries

ADDED = ((0, 0), (0, 4), (0, 8), (0, 16), (8, 0), (16, 0), (32, 0), (16, 12))
"""To the weights of cosine and MaxSim, in logits for a cosine of 1."""


def main() -> None:
    """Print a table of one row for each pair of weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    run_directory = parser.parse_args().run_dir
    settings, student = settings_of_run(run_directory), load_split(run_directory / "student")
    system = {"student": student_system(student, load_pair_encoder(settings.student.template))}
    learnt = student.features.weight.detach().clone()
    datasets = (load_queries(settings).held_out, general_check())
    print("| cosine + | MaxSim + | held-out nDCG@10 | general nDCG@10 |\n| --: | --: | --: | --: |")
    for added in ADDED:
        with torch.no_grad():
            student.features.weight.copy_(learnt)
            student.features.weight[0, : len(added)] += torch.tensor(added) / FEATURE_SCALE
        held_out, general = (evaluate(dataset, system).means(HEADLINE)["student"] for dataset in datasets)
        print(f"| {added[0]} | {added[1]} | {held_out:.4f} | {general:.4f} |", flush=True)


if __name__ == "__main__":
    main()
