"""What came of a study: one row a system over the queries of all seeds, as JSON, as a table, as a plot."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from relevance.ranking_metrics import Interval
from training.evaluation.intervals import in_brackets, interval_of
from training.report.studies import Dot, Reference, ScalingPoint, loss_ablation, scaling_curve

REFERENCES = ("bm25", "cosine", "teacher")
PANELS = {"held_out": "held-out queries", "general": "general check"}

Readings = Mapping[str, Any]
"""What variants.read gives: place → metric → system → value per query; `pairs` for a student."""
BySeed = Mapping[int, Mapping[str, Readings]]
"""Seed → variant's name, or `references` → readings."""
Values = npt.NDArray[np.float64]


def summarise(by_seed: BySeed) -> list[dict[str, Any]]:
    """Means and 95 % intervals over the queries of all seeds, and nDCG@10 of each seed."""
    names = [name for name in next(iter(by_seed.values())) if name != "references"]
    systems = [(name, "references", name) for name in REFERENCES] + [(name, name, "student") for name in names]
    teacher, cosine = (held_out(by_seed, "references", name) for name in ("teacher", "cosine"))
    return [
        {
            "system": label,
            "pairs": [readings[entry].get("pairs") for readings in by_seed.values()],
            "seeds": [float(np.nanmean(values(readings[entry], "held_out", system))) for readings in by_seed.values()],
            "ndcg@10": interval_of(held_out(by_seed, entry, system))._asdict(),
            "auc": interval_of(held_out(by_seed, entry, system, "auc"))._asdict(),
            "general_ndcg@10": interval_of(general(by_seed, entry, system))._asdict(),
            "minus_teacher": interval_of(held_out(by_seed, entry, system) - teacher)._asdict(),
            "minus_cosine": interval_of(held_out(by_seed, entry, system) - cosine)._asdict(),
        }
        for label, entry, system in systems
    ]


def values(readings: Readings, place: str, system: str, metric: str = "ndcg@10") -> Values:
    """Per-query values (q,) of one system, nan where the metric is undefined (null in the file)."""
    return np.array(readings[place][metric][system], dtype=np.float64)


def held_out(by_seed: BySeed, entry: str, system: str, metric: str = "ndcg@10") -> Values:
    """The seeds' held-out queries one after another: they are different ones."""
    return np.concatenate([values(readings[entry], "held_out", system, metric) for readings in by_seed.values()])


def general(by_seed: BySeed, entry: str, system: str) -> Values:
    """Mean over the seeds for each query of the general check, which is the same for all."""
    each: Values = np.mean([values(readings[entry], "general", system) for readings in by_seed.values()], axis=0)
    return each


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| system | pairs | nDCG@10 | by seed | − teacher | − cosine | AUC | general check |"]
    lines.append("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for row in rows:
        pairs = "" if row["pairs"][0] is None else f"{np.mean(row['pairs']):,.0f}"
        seeds = " ".join(f"{value:.3f}" for value in row["seeds"])
        differences = " | ".join(in_brackets(row[name], "+") for name in ("minus_teacher", "minus_cosine"))
        lines.append(
            f"| {row['system']} | {pairs} | {in_brackets(row['ndcg@10'])} | {seeds} "
            f"| {differences} | {row['auc']['mean']:.4f} | {row['general_ndcg@10']['mean']:.4f} |"
        )
    return "\n".join(lines)


def figures(name: str, by_seed: BySeed, multiples: Collection[int]) -> dict[str, Figure]:
    """The study's plots by file name: dots for each student, and a curve for those of several sizes of pool."""
    series = series_of(next(iter(by_seed.values())), multiples)
    made = {} if set(series) == {"student"} else {name: dots(summarise(by_seed))}
    if series:
        made[f"{name}-scaling" if made else name] = scaling_plot(by_seed, series)
    return made


def series_of(names: Iterable[str], multiples: Collection[int]) -> dict[str, dict[int, str]]:
    """Student → multiple → the variant's name, of those that were trained at several sizes."""
    series: dict[str, dict[int, str]] = {}
    for multiple, name in product(sorted(multiples), names):
        size, _, student = name.partition("-")
        if size == f"{multiple}x":
            series.setdefault(student or "student", {})[multiple] = name
    return {student: sizes for student, sizes in series.items() if len(sizes) > 1}


def scaling_plot(by_seed: BySeed, series: Mapping[str, Mapping[int, str]]) -> Figure:
    """nDCG@10 against the pool's size for each series of variants, with teacher and cosine as lines."""
    points = [
        ScalingPoint(multiple, seed, _interval(readings[name], place, "student"), student, panel)
        for place, panel in PANELS.items()
        for seed, readings in by_seed.items()
        for student, sizes in series.items()
        for multiple, name in sizes.items()
    ]
    lines = [
        Reference(name, interval_of(pool(by_seed, "references", name)), panel)
        for (panel, pool) in ((PANELS["held_out"], held_out), (PANELS["general"], general))
        for name in ("teacher", "cosine")
    ]
    return scaling_curve(points, lines)


def dots(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The rows' nDCG@10 side by side, on the held-out queries and on the general check."""
    return loss_ablation(
        [
            Dot(row["system"], Interval(**row[metric]), panel)
            for metric, panel in (("ndcg@10", PANELS["held_out"]), ("general_ndcg@10", PANELS["general"]))
            for row in rows
        ]
    )


def _interval(readings: Readings, place: str, system: str) -> Interval:
    return interval_of(values(readings, place, system))
