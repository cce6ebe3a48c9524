"""`python -m training.study`: the paper's claims on one's own data, over several splits.

Every seed holds out another part of the queries, trains its own teacher, and labels one pool as large as
the largest multiple. `scaling` then trains a student on 0, 1, 4 ... times as many teacher-labelled pairs as
there are judged ones; `losses` trains one by each loss, `depth` one of each number of layers, `inputs` one
for each length of description that it reads, `capacity` those with half and all of the teacher's layers and with
the student's text and the teacher's, and `auxiliary` one with each auxiliary head, at equal data; `split` trains
split students beside cross-encoders on every size, and `split-details` those that lack one detail.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from training.command_line import add_run_options, from_one_on, from_zero_on, run_command, settings_from
from training.config import DistillSettings
from training.errors import ConfigError
from training.optimise.distributed import processes
from training.report.canvas import save_figure
from training.run_directory import VARIANTS, write_json
from training.run_lock import only_writer
from training.stages import labels_stage, load_split, open_run, pool_stage, teacher_stage
from training.study.designs import StudyName, variants_of
from training.study.summary import Readings, figures, summarise, table
from training.study.variants import Laboratory, Variant, check_variants, read_references, run_variant
from training.takeover import check_earlier, take_over

LEAST_PAIRS = 25_600
"""Pairs that every student sees at least, going through a small pool several times."""

log = logging.getLogger("aisle.training")


def run_seed(
    settings: DistillSettings, directory: Path, variants: Sequence[Variant], labels_of: Path | None = None
) -> dict[str, Readings]:
    """All variants of one seed; returns readings by variant, and `references`."""
    run = open_run(settings, directory)
    check_variants(settings, variants)
    if labels_of is not None:
        take_over(run.directory, labels_of)
    pool = pool_stage(run)
    teacher = teacher_stage(run, pool)
    labels = labels_stage(run, pool, teacher)
    digest = run.directory.stage("labels").manifest()["sha256"]
    laboratory = Laboratory(settings, run.split, pool, labels, digest, teacher, LEAST_PAIRS)
    if labels_of is not None:
        laboratory.check_holds(max(variant.multiple for variant in variants))
    folder = directory / VARIANTS
    readings: dict[str, Readings] = {"references": read_references(laboratory, folder / "references")}
    for variant in variants:
        readings[variant.name] = run_variant(laboratory, variant, folder / variant.name)
        log.info("seed %d: %s is done", settings.seed, variant.name)
    return readings


def of_seed(settings: DistillSettings, seed: int, largest: int) -> DistillSettings:
    """The settings with this seed, its own part of the queries held out, and a pool of `largest` times the judged."""
    split_seed = settings.seed if settings.split_seed is None else settings.split_seed
    settings = settings.model_copy(update={"seed": settings.seed + seed, "fold": seed, "split_seed": split_seed})
    pairs = max(1, largest) * len(load_split(settings).train.judgements)
    return settings.model_copy(update={"pool": settings.pool.model_copy(update={"pairs": pairs})})


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line, run every seed, write readings, table and plot, print the table."""
    return run_command(_parser().parse_args(arguments), _run)


def _run(options: argparse.Namespace) -> None:
    if processes() > 1:
        raise ConfigError("training.study runs in one process; start it without torchrun")
    study: StudyName = options.study
    settings = settings_from(options)
    variants = chosen(variants_of(study, options.multiples, options.multiple, settings.student), options.only)
    of_seeds = _settings_of_seeds(settings, options)
    folders = {number: options.run_dir / f"seed-{number}" for number in of_seeds}
    if options.labels_of is not None:
        for folder in folders.values():
            check_earlier(folder, options.labels_of)
    with only_writer(options.run_dir):
        by_seed = {}
        for number, own in of_seeds.items():
            # Each is a run directory of its own, which training.distill and training.teacher may write to as well.
            with only_writer(folders[number]):
                by_seed[number] = run_seed(own, folders[number], variants, options.labels_of)
    rows = summarise(by_seed)
    # Some of the students do not take the place of what all of them gave.
    name_of_all = f"{study}-some" if options.only else study
    write_json(options.run_dir / f"{name_of_all}.json", {"rows": rows})
    for name, figure in figures(name_of_all, by_seed, {*options.multiples, options.multiple}).items():
        save_figure(figure, options.run_dir / f"{name}.png")
    print(table(rows))


def chosen(variants: Sequence[Variant], names: Sequence[str] | None) -> list[Variant]:
    """Those of these names, all without any; ConfigError if the study has no student of a name."""
    if names is None:
        return list(variants)
    there = {variant.name: variant for variant in variants}
    unknown = [name for name in names if name not in there]
    if unknown:
        raise ConfigError(f"--only names {unknown[0]}, but this study's students are {', '.join(there)}")
    return [there[name] for name in names]


def _settings_of_seeds(settings: DistillSettings, options: argparse.Namespace) -> dict[int, DistillSettings]:
    """All of them before any training: a fold that can not be is refused before hours of it."""
    if options.labels_of is None:
        return {number: of_seed(settings, number, max(options.multiples)) for number in range(options.seeds)}
    if options.seeds != 1:
        raise ConfigError(f"--labels-of gives the labels of one run, but --seeds is {options.seeds}; say --seeds 1")
    return {0: settings}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.study", description=__doc__)
    parser.add_argument("study", choices=get_args(StudyName))
    add_run_options(parser)
    parser.add_argument(
        "--multiples", type=from_zero_on, nargs="+", default=[0, 1, 4, 16, 64], help="sizes of the pool"
    )
    parser.add_argument("--multiple", type=from_zero_on, default=16, help="the part of it for all studies but scaling")
    parser.add_argument("--seeds", type=from_one_on, default=3, help="how many; each holds out other queries")
    parser.add_argument("--only", nargs="+", metavar="STUDENT", help="some of the study's students, by name")
    parser.add_argument("--labels-of", type=Path, help="an earlier run whose pool, teacher and labels the one seed has")
    return parser


if __name__ == "__main__":
    sys.exit(main())
