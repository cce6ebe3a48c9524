"""A few judged queries whose slices, scores and mistakes can be counted by hand; no model is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from relevance.product import Product
from training.datasets.schema import Dataset, Judgement
from training.evaluation.measure import as_json, measure
from training.evaluation.scored_pairs import SCORES, ScoredPairs, save_scores
from training.evaluation.slices import slices_of
from training.evaluation.summary import further_figures
from training.optimise.loss_log import LOSSES, LossLog
from training.run_directory import Stage, write_json

QUERIES = ("lamp", "acme lamp", "red oak table", "sony wh-1000xm4 head phones", "dëlta sound bar")
TARGETS = (1.0, 0.5, 0.0, 0.0)


def dataset(queries: tuple[str, ...] = QUERIES, titles: tuple[str, ...] = ()) -> Dataset:
    """Each query with its own four products, graded `TARGETS`; `titles` replace the first ones."""
    products = {}
    judgements = []
    for q, query in enumerate(queries):
        for n, target in enumerate(TARGETS):
            number = q * len(TARGETS) + n
            title = titles[number] if number < len(titles) else f"product {n} for {query}"
            brand = ("Acme", "Delta Sound", "Sony", None)[n]
            key = str(number)
            products[key] = Product(id=key, title=title, brand=brand, product_type=("light", "other thing")[q % 2])
            judgements.append(Judgement(query, key, target))
    return Dataset("hand-made", products, judgements)


def scored(data: Dataset, **systems: list[float]) -> ScoredPairs:
    """The dataset's pairs with each system's scores (n,); teacher, student and cosine are made up if not given."""
    judged = [judgement for group in data.by_query().values() for judgement in group]
    targets = np.array([judgement.target for judgement in judged])
    rng = np.random.default_rng(0)
    made_up = {
        "cosine": targets / 4.0 + rng.normal(size=len(targets)) / 4.0,
        "teacher": 3.0 * targets - 1.0 + rng.normal(size=len(targets)) / 4.0,
        "student": 2.0 * targets - 1.0 + rng.normal(size=len(targets)) / 2.0,
    }
    return ScoredPairs(
        [judgement.query for judgement in judged],
        [judgement.product_id for judgement in judged],
        [data.products[judgement.product_id].title for judgement in judged],
        targets,
        {**made_up, **{name: np.array(scores) for name, scores in systems.items()}},
    )


def finished_run(directory: Path, data: Dataset | None = None, losses: int = 0) -> Path:
    """A run directory as a finished evaluation leaves it, with `losses` logged steps of the student."""
    data = data or dataset()
    sets = {"held_out": scored(data), "general": scored(dataset(("tea", "cup")))}
    evaluations = {name: measure(pairs) for name, pairs in sets.items()}
    stage = Stage(directory / "evaluation")
    stage.directory.mkdir(parents=True)
    write_json(directory / "run.json", {"settings": {"seed": 7, "pool": {"pairs": 64}}, "data": {}})
    save_scores(stage.directory / SCORES, sets)
    parts = {name: as_json(evaluation) for name, evaluation in evaluations.items()}
    stage.finish({**parts, **further_figures(evaluations, slices_of(data))})
    if losses:
        (directory / "student").mkdir()
        log = LossLog(directory / "student" / LOSSES)
        for step in range(losses):
            log(step + 1, losses, 1.0 / (step + 1))
    return directory
