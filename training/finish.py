"""The end of a run: evaluation on held-out queries, calibration, export to a bundle."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from export.bundle import BundleOutput, BundleRequest, Source, export_bundle
from export.parity import JudgedList
from export.split_bundle import export_split_bundle
from relevance.bundle import MANIFEST
from relevance.calibration import Calibration
from relevance.pair_encoding import PairEncoder
from training.card import model_card
from training.checks import general_check
from training.config import DistillSettings, StudentSettings
from training.datasets.schema import Dataset
from training.evaluation.calibrate import fit_note, fit_platt
from training.evaluation.evaluate import System, baselines, evaluate
from training.evaluation.measure import HEADLINE, as_json, table
from training.evaluation.scored_pairs import SCORES, ScoredPairs, load_scores, save_scores
from training.evaluation.slices import slices_of
from training.evaluation.summary import calibration_errors, further_figures, ranking_note
from training.models.cross_encoder import encode_pairs, score_pairs
from training.models.pair_rule import EncoderInput
from training.optimise.scorers import CrossEncoder
from training.provenance import licences, provenance
from training.report.data import FIGURES
from training.report.write import write_report
from training.run_directory import RunDirectory, Stage, write_json
from training.splits import Split
from training.student.files import student_rule, student_tokenizer
from training.student.split_export import split_lists, split_source
from training.teacher import Teacher

METRICS = "metrics.json"
BETTER = "judge more queries, draw a larger pool (pool.pairs), or start where the cosine is (--student split)"
"""What to do about a student that does not rank well."""
UNPUBLISHED = frozenset(("tables", "slices"))
"""Not for a bundle: tables are for people, and slices name the product types of a catalogue that may be private."""

EVALUATED = (HEADLINE, "calibration", "calibration_error", "tables", *FIGURES)
EXPORTED = ("settings", "parity")
"""Parts of the manifests that the end of a run reads."""

log = logging.getLogger("aisle.training")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The shipped calibration, and its error measured on queries it was not fitted on (nan with one query).

    `note` says why it is none to rely on, where it is not.
    """

    calibration: Calibration
    cross_fitted_error: float
    note: str | None


def evaluate_run(
    stage: Stage,
    settings: DistillSettings,
    split: Split,
    teacher: Teacher,
    student: System,
) -> dict[str, Any]:
    """Baselines, teacher and student side by side on the held-out queries and on the general check."""
    scores = stage.directory / SCORES
    if stage.finished:
        load_scores(scores)  # The report needs them: an evaluation without them is refused here, not at the end.
        return stage.manifest(needs=EVALUATED)
    trained: dict[str, System] = {"teacher": teacher.score, "student": student}
    held_out = evaluate(split.held_out, {**baselines(split.held_out, teacher.bi_encoder, settings.seed), **trained})
    general = general_check()
    elsewhere = evaluate(general, {**baselines(general, teacher.bi_encoder, settings.seed), **trained})
    calibrated = calibrate(held_out.pairs)
    report = {
        HEADLINE: held_out.means(HEADLINE),
        "student_minus_cosine": held_out.difference(HEADLINE, "student", "cosine")._asdict(),
        "student_minus_teacher": held_out.difference(HEADLINE, "student", "teacher")._asdict(),
        "general_ndcg@10": elsewhere.means(HEADLINE),
        "general_student_minus_cosine": elsewhere.difference(HEADLINE, "student", "cosine")._asdict(),
        "calibration": calibrated.calibration.model_dump(),
        "calibration_error": calibrated.cross_fitted_error,
        "calibration_note": calibrated.note,
        "ranking_note": ranking_note(held_out),
        "held_out": as_json(held_out),
        "general": as_json(elsewhere),
        **further_figures({"held_out": held_out, "general": elsewhere}, slices_of(split.held_out)),
        "tables": "\n\n".join((table(held_out, "held-out queries"), table(elsewhere, "general check"))),
    }
    if note := report["ranking_note"]:
        log.warning("on the held-out queries the student %s; %s", note, BETTER)
    save_scores(scores, {"held_out": held_out.pairs, "general": elsewhere.pairs})
    stage.finish(report)
    return report


def student_system(model: CrossEncoder, encoder: PairEncoder) -> System:
    """The student in torch as a system to evaluate."""
    rule = EncoderInput(encoder)
    return lambda queries, products: score_pairs(model, rule.encode(queries, products), rule.pad_id)


def calibrate(pairs: ScoredPairs) -> Calibrated:
    """Platt scaling of the student on the held-out judgements.

    The error is cross-fitted: each half of the queries is calibrated by the other half's fit.
    """
    fitted = fit_platt(pairs.scores["student"], pairs.targets)
    note = fit_note(fitted, pairs.targets)
    if note is not None:
        log.warning("calibration of the student: %s", note)
    return Calibrated(fitted, calibration_errors(pairs, "student")["cross_fitted"], note)


def judged_lists(dataset: Dataset, encoder: PairEncoder) -> list[JudgedList]:
    """Each query's judged candidates, encoded: real pairs to compare graphs on."""
    lists = []
    for query, judgements in dataset.by_query().items():
        products = [dataset.products[judgement.product_id] for judgement in judgements]
        targets = np.array([judgement.target for judgement in judgements])
        lists.append(JudgedList(encode_pairs(encoder, query, products), targets))
    return lists


def export_run(
    directory: RunDirectory, settings: DistillSettings, split: Split, evaluation: dict[str, Any]
) -> dict[str, Any]:
    """Export the student to `RUN/bundle`, checked on held-out pairs; writes the run's metrics and report."""
    stage = directory.stage("export")
    bundle = directory.path / "bundle"
    wanted = {"name": settings.name, "licences": list(settings.licences), "precisions": list(settings.precisions)}
    # A bundle may have been moved away since.
    exported = stage.finished and (bundle / MANIFEST).is_file()
    if not exported or stage.manifest(needs=EXPORTED)["settings"] != wanted:
        # A kill between the bundle's rename and the manifest must not leave the one of another bundle.
        stage.reopen()
        request = BundleRequest(
            name=settings.name,
            template=settings.student.template,
            calibration=Calibration.model_validate(evaluation["calibration"]),
            training=provenance(directory, settings, split),
            metrics={key: value for key, value in evaluation.items() if key not in UNPUBLISHED},
            licences=licences(settings),
            precisions=settings.precisions,
        )
        output = BundleOutput(bundle, model_card)
        parity = export_student(directory.path / "student", settings.student, split, request, output)
        stage.finish({"settings": wanted, "parity": parity})
    metrics = {**evaluation, "parity": stage.manifest(needs=EXPORTED)["parity"], "bundle": str(bundle)}
    write_json(directory.path / METRICS, metrics)
    log.info("bundle: %s; report: %s", bundle, write_report(directory.path))
    return metrics


def export_student(
    checkpoint: Path, student: StudentSettings, split: Split, request: BundleRequest, output: BundleOutput
) -> dict[str, Any]:
    """Export the student of either kind in `checkpoint`, compared on held-out pairs; returns the parity figures."""
    rule, tokenizer = student_rule(checkpoint, student), student_tokenizer(checkpoint, student)
    checked = (split.held_out, general_check())
    if student.kind == "split":
        learnt = split_lists(split.train, rule)
        own = split_source(checkpoint, tokenizer, rule, learnt)
        return export_split_bundle(
            own, [judged for data in checked for judged in split_lists(data, rule)], request, output
        )
    learnt_from = [pair for judged in judged_lists(split.train, rule) for pair in judged.pairs]
    source = Source(checkpoint, tokenizer, rule.pad_id, learnt_from)
    return export_bundle(source, [judged for data in checked for judged in judged_lists(data, rule)], request, output)
