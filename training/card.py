"""The model card, and what a bundle's manifest tells of its making. Written from the run, never by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.config import DistillSettings
from training.models.backbone import WEIGHTS_SHA256
from training.run_directory import RunDirectory
from training.splits import Split

LICENCE_OF_BACKBONE = "Initial weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0"
MINILM_TEACHER = "cross-encoder fine-tuned on soft targets, averaged with the zero-shot bi-encoder"
LICENCE_OF_CATALOGUE = "Synthetic catalogue: part of Aisle"
LICENCES_OF_DATA = {
    "chorus": (
        "Judgements: querqy/chorus, Apache-2.0",
        "Product text: Icecat, Open Content Licence (attribution: Icecat)",
    ),
    "wands": ("Judgements and product text: wayfair/WANDS, MIT",),
    "esci": ("Judgements and product text: amazon-science/esci-data (Shopping Queries Dataset), Apache-2.0",),
}
"""By reader; the licences of data that Aisle does not know are for its owner to add."""


def licences(settings: DistillSettings) -> tuple[str, ...]:
    """Licences of everything that the weights were learnt from."""
    reader = settings.data.partition(":")[0]
    logs = tuple(f"Query log: {path.name}" for path in settings.query_logs)
    public = settings.public()
    # The packaged bi-encoder is part of every teacher; what else weights came from is licensed by its owners.
    named = (*(member["backbone"] for member in public["teacher"]["members"]), public["student"]["backbone"])
    others = tuple(f"Initial weights: {name}, under its owner's licence" for name in dict.fromkeys(named) if name)
    data = LICENCES_OF_DATA.get(reader, ())
    return (LICENCE_OF_BACKBONE, *others, LICENCE_OF_CATALOGUE, *data, *logs, *settings.licences)


def provenance(directory: RunDirectory, settings: DistillSettings, split: Split) -> dict[str, Any]:
    """How the bundle was made: settings, data hashes, sizes, the split."""
    return {
        "backbone_sha256": WEIGHTS_SHA256,
        "settings": settings.public(),
        "data_sha256": directory.fingerprint["data"],
        "judged_pairs": {"train": len(split.train.judgements), "held_out": len(split.held_out.judgements)},
        "queries": {"train": len(split.train.by_query()), "held_out": len(split.held_out.by_query())},
        "split": "by the dataset's own split" if split.official else f"by query, seed {settings.seed}",
        "pool": directory.stage("pool").manifest(),
        "teacher": teacher_in_words(settings),
        "loss": f"all-pairs MarginMSE + {settings.student.anchor:g} · MSE on teacher logits",
    }


def teacher_in_words(settings: DistillSettings) -> str:
    """Which models the teacher is, and what they learnt by."""
    members = settings.public()["teacher"]["members"]
    if [member["backbone"] for member in members] == [None] and settings.teacher.classes == 1:
        return MINILM_TEACHER
    names = ", ".join(f"{member['backbone'] or 'all-MiniLM-L6-v2'} ({member['kind']})" for member in members)
    targets = f"{settings.teacher.classes}-class soft targets" if settings.teacher.classes > 1 else "soft targets"
    return f"mean of {names}, fine-tuned on {targets}, averaged with the zero-shot bi-encoder"


def model_card(manifest: Mapping[str, Any]) -> str:
    """The bundle's README.md from its manifest's fields."""
    training, metrics, settings = manifest["training"], manifest["metrics"], manifest["training"]["settings"]
    template = manifest["template"]
    fields = ", ".join(f"{budget.field} ({budget.max_tokens})" for budget in template.fields)
    return "\n".join(
        [
            f"# {manifest['name']}",
            "",
            f"A {len(settings['student']['layers'])}-layer cross-encoder that scores how relevant a product is to a "
            "shopper's query, distilled by Aisle's pipeline (`python -m training.distill`).",
            "",
            f"- Reads: query ({template.query_max_tokens} tokens); {fields}",
            f"- Layers {tuple(settings['student']['layers'])} of {_origin(settings['student'])}; {training['loss']}",
            f"- Teacher: {training['teacher']}",
            f"- Data: `{settings['data']}`, {training['queries']['train']} judged queries "
            f"({training['judged_pairs']['train']} pairs) to learn from, {training['queries']['held_out']} queries "
            f"({training['judged_pairs']['held_out']} pairs) held out {training['split']}",
            f"- Pool: {training['pool']['pairs']} teacher-labelled pairs of {training['pool']['queries']} queries",
            "",
            "## nDCG@10, mean and 95 % bootstrap interval over queries",
            "",
            *_metric_rows(metrics),
            "",
            *_difference_lines(metrics),
            "",
            f"Calibration: Platt scaling fitted on the held-out judgements; {_calibration_error(metrics)}. On other "
            "shops the order holds better than the probability does: fit it again on your own judgements.",
            "",
            "## The graphs against the checkpoint",
            "",
            *_parity_rows(manifest["parity"]),
            "",
            "## Limits",
            "",
            f"It reads no more of a product than {', '.join(budget.field for budget in template.fields)}; its encoder "
            "was pretrained on English. Constraints such as sizes, negations (“without …”) and exact model numbers "
            "are weaker than the kind of product.",
            *_query_log_limit(settings["query_logs"]),
            "",
            "## Licences",
            "",
            *(f"- {licence}" for licence in manifest["licences"]),
            "",
        ]
    )


def _origin(student: Mapping[str, Any]) -> str:
    if student.get("initialise_from", "teacher") == "teacher":
        return "the teacher's cross-encoder"
    return student["backbone"] or "all-MiniLM-L6-v2"


def _calibration_error(metrics: Mapping[str, Any]) -> str:
    error = metrics["calibration_error"]
    if error is None or math.isnan(error):
        return "its error is unknown, for that takes two held-out queries"
    return f"expected calibration error {error:.3f}, cross-fitted between two halves of those queries"


def _query_log_limit(query_logs: Sequence[str]) -> list[str]:
    if not query_logs:
        return []
    return [
        f"The pool held the queries of {', '.join(query_logs)} (without judgements): no test figure can be claimed "
        "on a set that these queries are part of."
    ]


def _metric_rows(metrics: Mapping[str, Any]) -> list[str]:
    rows = ["| system | held-out queries | general check (100 hand-written queries) |", "| --- | :-: | :-: |"]
    held_out, general = metrics["held_out"]["ndcg@10"], metrics["general"]["ndcg@10"]
    rows += [f"| {system} | {_interval(held_out[system])} | {_interval(general[system])} |" for system in held_out]
    return rows


def _difference_lines(metrics: Mapping[str, Any]) -> list[str]:
    pairs = {
        "student_minus_cosine": "Student − MiniLM cosine, held-out, paired",
        "student_minus_teacher": "Student − teacher, held-out, paired",
        "general_student_minus_cosine": "Student − MiniLM cosine, general check, paired",
    }
    return [f"- {text}: {_interval(metrics[key], sign='+')}" for key, text in pairs.items()]


def _parity_rows(parity: Mapping[str, Any]) -> list[str]:
    rows = [
        "| precision | pairs | largest Δlogit | mean Δlogit | nDCG@10 torch → graph | Kendall tau |",
        "| --- | --: | --: | --: | :-: | --: |",
    ]
    rows += [
        f"| {name} | {p['pairs']} | {p['largest_logit_difference']:.2g} | {p['mean_logit_difference']:.2g} "
        f"| {p['ndcg_torch']:.4f} → {p['ndcg_graph']:.4f} | {p['kendall_tau']:.4f} |"
        for name, p in parity.items()
    ]
    return rows


def _interval(values: Mapping[str, float], sign: str = "") -> str:
    if values["mean"] is None or math.isnan(values["mean"]):
        return "undefined: no held-out query has a relevant product"
    return f"{values['mean']:{sign}.4f} [{values['low']:{sign}.3f}, {values['high']:{sign}.3f}]"
