"""`python -m training.study`: the paper's claims on one's own data, over several splits.

Every seed holds out another part of the queries, trains its own teacher, and labels one pool as large as
the largest multiple. Then `scaling` trains a student on 0, 1, 4 ... times as many teacher-labelled pairs
as there are judged ones, and `losses` trains one by each loss at equal data.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relevance.ranking_metrics import bootstrap_interval
from training.command_line import add_run_options, run_command, settings_from
from training.config import DistillSettings
from training.run_directory import write_json
from training.stages import labels_stage, load_split, open_run, pool_stage, teacher_stage
from training.study.variants import Laboratory, Variant, read_references, run_variant

REFERENCES = ("bm25", "cosine", "teacher")
LEAST_PAIRS = 25_600
"""Pairs that every student sees at least, going through a small pool several times."""
LOSS_MULTIPLE = 16

log = logging.getLogger("aisle.training")

Readings = dict[str, Any]


def scaling_variants(multiples: Sequence[int]) -> list[Variant]:
    """One student for each size of the pool."""
    return [Variant(f"{multiple}x", multiple) for multiple in multiples]


def loss_variants(multiple: int) -> list[Variant]:
    """One student for each loss, at equal data."""
    changes: dict[str, dict[str, Any]] = {
        "margin-mse-anchored": {"loss": "margin_mse"},
        "margin-mse": {"loss": "margin_mse", "anchor": 0.0},
        "pointwise-mse": {"loss": "pointwise_mse"},
        "ranknet-anchored": {"loss": "ranknet"},
        "listwise-kl-anchored": {"loss": "listwise_kl"},
        "margin-mse-anchored-human": {"loss": "margin_mse", "human_weight": 1.0},
    }
    return [Variant(f"{multiple}x-{name}", multiple, change) for name, change in changes.items()]


def run_seed(settings: DistillSettings, directory: Path, variants: Sequence[Variant]) -> dict[str, Readings]:
    """All variants of one seed; returns readings by variant, and `references`."""
    run = open_run(settings, directory)
    pool = pool_stage(run)
    teacher = teacher_stage(run, pool)
    labels = labels_stage(run, pool, teacher)
    laboratory = Laboratory(settings, run.split, pool, labels, teacher, LEAST_PAIRS)
    readings = {"references": read_references(laboratory, directory / "variants" / "references")}
    for variant in variants:
        readings[variant.name] = run_variant(laboratory, variant, directory / "variants" / variant.name)
        log.info("seed %d, %s: nDCG@10 %.4f", settings.seed, variant.name, _mean(readings[variant.name]))
    return readings


def of_seed(settings: DistillSettings, seed: int, largest: int) -> DistillSettings:
    """The settings with this seed, its own part of the queries held out, and a pool of `largest` times the judged."""
    of_its_own = {"seed": seed, "fold": seed, "split_seed": settings.seed}
    settings = settings.model_copy(update=of_its_own)
    pairs = max(1, largest) * len(load_split(settings).train.judgements)
    return settings.model_copy(update={"pool": settings.pool.model_copy(update={"pairs": pairs})})


def summarise(by_seed: Mapping[int, Mapping[str, Readings]]) -> list[dict[str, Any]]:
    """One row a system: means and intervals over the queries of all seeds, and nDCG@10 of each seed."""
    names = [name for name in next(iter(by_seed.values())) if name != "references"]
    teacher = _values(by_seed, "references", "teacher")
    cosine = _values(by_seed, "references", "cosine")
    systems = [(name, "references", name) for name in REFERENCES] + [(name, name, "student") for name in names]
    return [
        {
            "system": label,
            "pairs": [by_seed[seed][entry].get("pairs") for seed in by_seed],
            "seeds": [float(np.nanmean(r[entry]["held_out"]["ndcg@10"][system])) for r in by_seed.values()],
            **_figures(by_seed, entry, system),
            "minus_teacher": bootstrap_interval(_values(by_seed, entry, system) - teacher)._asdict(),
            "minus_cosine": bootstrap_interval(_values(by_seed, entry, system) - cosine)._asdict(),
        }
        for label, entry, system in systems
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown."""
    lines = ["| system | pool pairs | nDCG@10 | by seed | − teacher | − cosine | AUC | general check |"]
    lines.append("| --- | --: | --: | --: | --: | --: | --: | --: |")
    for row in rows:
        pairs = "" if row["pairs"][0] is None else f"{np.mean(row['pairs']):,.0f}"
        seeds = " ".join(f"{value:.3f}" for value in row["seeds"])
        differences = " | ".join(_signed(row[name]) for name in ("minus_teacher", "minus_cosine"))
        ten = row["ndcg@10"]
        lines.append(
            f"| {row['system']} | {pairs} | {ten['mean']:.4f} [{ten['low']:.3f}, {ten['high']:.3f}] | {seeds} "
            f"| {differences} | {row['auc']['mean']:.4f} | {row['general_ndcg@10']['mean']:.4f} |"
        )
    return "\n".join(lines)


def _signed(interval: Mapping[str, float]) -> str:
    return f"{interval['mean']:+.4f} [{interval['low']:+.3f}, {interval['high']:+.3f}]"


def _figures(by_seed: Mapping[int, Mapping[str, Readings]], entry: str, system: str) -> dict[str, Any]:
    wanted = {"ndcg@5": "held_out", "ndcg@10": "held_out", "auc": "held_out", "general_ndcg@10": "general"}
    return {
        name: bootstrap_interval(_values(by_seed, entry, system, (place, name.removeprefix("general_"))))._asdict()
        for name, place in wanted.items()
    }


def _values(
    by_seed: Mapping[int, Mapping[str, Readings]],
    entry: str,
    system: str,
    metric: tuple[str, str] = ("held_out", "ndcg@10"),
) -> Any:
    """Per-query values of one system, the seeds' queries one after another."""
    place, name = metric
    parts = [np.array(readings[entry][place][name][system], dtype=np.float64) for readings in by_seed.values()]
    return np.concatenate(parts)


def _mean(readings: Readings) -> float:
    return float(np.nanmean(readings["held_out"]["ndcg@10"]["student"]))


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run every seed, write the readings, print the table."""
    return run_command(_parser().parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    settings = settings_from(options)
    largest = max(options.multiples)
    variants = loss_variants(LOSS_MULTIPLE) if options.study == "losses" else scaling_variants(options.multiples)
    by_seed = {
        seed: run_seed(of_seed(settings, seed, largest), options.run_dir / f"seed-{seed}", variants)
        for seed in range(options.seeds)
    }
    rows = summarise(by_seed)
    write_json(options.run_dir / f"{options.study}.json", {"rows": rows})
    print(table(rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.study", description=__doc__)
    parser.add_argument("study", choices=("scaling", "losses"))
    add_run_options(parser)
    parser.add_argument("--multiples", type=int, nargs="+", default=[0, 1, 4, 16, 64])
    parser.add_argument("--seeds", type=int, default=3, help="how many; each holds out other queries")
    return parser


if __name__ == "__main__":
    sys.exit(main())
