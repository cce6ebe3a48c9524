"""How much of a finished teacher's ranking comes from text that the student does not read.

`python -m docs.scripts.teacher_inputs --run-dir RUN` scores the run's held-out queries with its teacher three
times: with everything it reads, with the student's fields alone, and with titles alone; its cross-encoders and the
cosine apart from each other too. A student can not be expected above the teacher's second row.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from transformers.utils import logging

from relevance.product import Product
from training.config import DistillSettings
from training.evaluation.evaluate import evaluate
from training.models.cross_encoder import Logits
from training.run_directory import Stage
from training.stages import SETTINGS, load_split
from training.teacher import Teacher, load_teacher

METRIC = "ndcg@10"


def main() -> None:
    """Score and print one row a system: nDCG@10, AUC, and the paired difference to the whole teacher."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    run: Path = parser.parse_args().run_dir
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    settings = DistillSettings.model_validate(json.loads((run / SETTINGS).read_text(encoding="utf-8")))
    teacher = load_teacher(Stage(run / "teacher"))
    kept = frozenset(budget.field for budget in settings.student.template.fields)
    systems = {
        "teacher": teacher.score,
        "teacher, student's fields": lambda queries, products: teacher.score(queries, only(products, kept)),
        "teacher, title": lambda queries, products: teacher.score(queries, only(products, frozenset({"title"}))),
        "cross-encoders": lambda queries, products: cross_encoders(teacher, queries, products),
        "cross-encoders, student's fields": lambda queries, products: cross_encoders(
            teacher, queries, only(products, kept)
        ),
        "cosine, full text": teacher.bi_encoder.cosines,
        "cosine, title": teacher.bi_encoder.title_cosines,
    }
    evaluation = evaluate(load_split(settings).held_out, systems)
    print("| system | nDCG@10 | AUC | − teacher |\n| --- | --: | --: | --: |")
    for name in systems:
        difference = evaluation.difference(METRIC, name, "teacher")
        ten, auc = (float(np.nanmean(evaluation.values[metric][name])) for metric in (METRIC, "auc"))
        interval = f"{difference.mean:+.4f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        print(f"| {name} | {ten:.4f} | {auc:.4f} | {interval} |")


def only(products: Sequence[Product], fields: frozenset[str]) -> list[Product]:
    """The products with these fields alone."""
    return [Product.model_validate(product.model_dump(include=set(fields))) for product in products]


def cross_encoders(teacher: Teacher, queries: Sequence[str], products: Sequence[Product]) -> Logits:
    """The members' mean logit, without the bi-encoder's."""
    mean: Logits = np.mean([member.logits(queries, products) for member in teacher.members], axis=0)
    return mean


if __name__ == "__main__":
    main()
