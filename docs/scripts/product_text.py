"""What a finished split student ranks like when it reads more or less of a product than it did in training.

`python -m docs.scripts.product_text --run-dir runs/split` scores the run's held-out queries in fp32, with the mean and
the deviation of what Gaussian noise of `--noise` on the logits (rounding to int8 adds some 0.055) does to nDCG@10.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from export.split_runner import Logits, SplitList
from relevance.ranking_metrics import soft_target_ndcg
from relevance.template import FieldBudget, Template
from training.command_line import settings_of_run
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split
from training.stages import load_split as load_queries
from training.student.split_export import exact_logits, split_lists

SHORT = {"title": 48, "product_type": 8, "brand": 6, "color": 4}
TEXTS = (
    {**SHORT, "description": 12},
    {**SHORT, "description": 6},
    {**SHORT, "description": 40, "attributes": 16},
    {**SHORT, "description": 20, "attributes": 16},
    {**SHORT, "description": 20},
    {**SHORT, "attributes": 16},
    SHORT,
)
DRAWS = 200


def main() -> None:
    """Print a table of one row a text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--noise", type=float, default=0.055)
    options = parser.parse_args()
    split, student = load_queries(settings_of_run(options.run_dir)), load_split(options.run_dir / "student")
    print("| text | tokens | nDCG@10 | nDCG@5 | noise moves nDCG@10 by |\n| --- | --: | --: | --: | --: |")
    for text in TEXTS:
        fields = tuple(FieldBudget.model_validate({"field": name, "max_tokens": most}) for name, most in text.items())
        rule = load_pair_encoder(Template(query_max_tokens=24, fields=fields))
        lists = [judged for judged in split_lists(split.held_out, rule) if judged.targets.max() > 0]
        logits = [exact_logits(student, judged, rule.pad_id) for judged in lists]
        tokens = np.mean([len(product) for judged in lists for product in judged.products])
        ten, five = (ndcg(lists, logits, cutoff) for cutoff in (10, 5))
        moved = [value - ten for value in noisy(lists, logits, options.noise)]
        named = ", ".join(f"{name} {most}" for name, most in text.items())
        print(f"| {named} | {tokens:.1f} | {ten:.4f} | {five:.4f} | {np.mean(moved):+.4f} ± {np.std(moved):.4f} |")


def ndcg(lists: Sequence[SplitList], logits: Sequence[Logits], cutoff: int) -> float:
    """Mean nDCG@cutoff."""
    return float(
        np.mean([soft_target_ndcg(judged.targets, own, cutoff) for judged, own in zip(lists, logits, strict=True)])
    )


def noisy(lists: Sequence[SplitList], logits: Sequence[Logits], size: float) -> list[float]:
    """nDCG@10 of so many draws of noise."""
    rng = np.random.default_rng(0)
    return [ndcg(lists, [own + rng.normal(0, size, own.size) for own in logits], 10) for _ in range(DRAWS)]


if __name__ == "__main__":
    main()
