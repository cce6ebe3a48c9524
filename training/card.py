"""The model card: a bundle's README.md. Written from the manifest's fields, never by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from training.evaluation.intervals import in_brackets


def model_card(manifest: Mapping[str, Any]) -> str:
    """The bundle's README.md from its manifest's fields."""
    training, metrics, settings = manifest["training"], manifest["metrics"], manifest["training"]["settings"]
    template = manifest["template"]
    fields = ", ".join(f"{budget.field} ({budget.max_tokens})" for budget in template.fields)
    return "\n".join(
        [
            f"# {manifest['name']}",
            "",
            f"A {_kind(settings['student'])} that scores how relevant a product is to a "
            "shopper's query, distilled by Aisle's pipeline (`python -m training.distill`).",
            "",
            f"- Reads: query ({template.query_max_tokens} tokens); {fields}",
            f"- {_layers(settings['student'])}; {training['loss']}",
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
            *_ranking_note(metrics),
            "",
            f"Calibration: {_calibration(metrics)}. On other shops the order holds better than the probability does: "
            "fit it again on your own judgements.",
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


def _kind(student: Mapping[str, Any]) -> str:
    if student.get("kind") == "split":
        return f"split cross-encoder with {student['split']['joint_layers']} joint layer(s)"
    return f"{len(student['layers'])}-layer cross-encoder"


def _layers(student: Mapping[str, Any]) -> str:
    if student.get("kind") != "split":
        return f"Layers {tuple(student['layers'])} of {_origin(student)}"
    origin = "the teacher's cross-encoder" if student["split"]["start"] == "teacher" else "the sentence encoder"
    width = student["split"]["latent_width"]
    return f"Encoder and joint layers from {student['backbone'] or 'all-MiniLM-L6-v2'}, {origin}; {width} bytes a token"


def _origin(student: Mapping[str, Any]) -> str:
    if student.get("initialise_from", "teacher") == "teacher":
        return "the teacher's cross-encoder"
    return student["backbone"] or "all-MiniLM-L6-v2"


def _calibration(metrics: Mapping[str, Any]) -> str:
    # A run that was evaluated by an older version has no note.
    fitted = metrics.get("calibration_note") or "Platt scaling fitted on the held-out judgements"
    return f"{fitted}; {_calibration_error(metrics)}"


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


def _ranking_note(metrics: Mapping[str, Any]) -> list[str]:
    # A run that was evaluated by an older version has none.
    note = metrics.get("ranking_note")
    return [f"- **On the held-out queries it {note}**"] if note else []


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
    return in_brackets(values, sign)
