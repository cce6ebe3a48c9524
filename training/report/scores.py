"""The report's parts on the scores themselves: calibration, their distribution, and how training went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.evaluation.measure import RELEVANT_TARGET
from training.evaluation.scored_pairs import ScoredPairs
from training.evaluation.summary import LOGIT_SYSTEMS, calibrated_probabilities, raw_probabilities
from training.report.canvas import png
from training.report.document import Block, Column, Heading, Paragraph, Picture, Table
from training.report.numbers import number
from training.report.plots import loss_curve, reliability_diagram, score_histogram


def calibration_section(figures: Mapping[str, Any], pairs: ScoredPairs) -> list[Block]:
    """Calibration errors, and reliability before and after."""
    columns = [Column("system", False), Column("ECE before"), Column("ECE after")]
    errors = figures["calibration_errors"]
    rows = [[system, number(each["raw"]), number(each["cross_fitted"])] for system, each in errors.items()]
    blocks: list[Block] = [
        Heading("Calibration"),
        Paragraph(
            f"Expected calibration error (ECE, ten bins) against the human targets of {len(pairs.targets)} held-out "
            "pairs, before and after Platt scaling. After is cross-fitted: each half of the queries is calibrated on "
            "the other half. Systems whose score is no logit have no probability before. A system that always says the "
            "mean target has an error of nearly 0: the error tells whether probabilities can be believed, not whether "
            "they tell products apart."
        ),
        Table(columns, rows),
    ]
    for system in reversed(LOGIT_SYSTEMS):
        blocks.append(_reliability(pairs, system))
    return blocks


def histogram_section(pairs: ScoredPairs) -> list[Block]:
    """How the scores of teacher and student lie."""
    scores = {system: pairs.scores[system] for system in LOGIT_SYSTEMS}
    figure = score_histogram(scores, pairs.targets >= RELEVANT_TARGET)
    text = (
        "Logits of the held-out pairs, as trained; relevant: a human target of 0.5 or more. The further the two kinds "
        "lie apart, the less a threshold has to give up."
    )
    alternative = "Histograms of teacher and student scores, relevant pairs against others."
    return [Heading("Scores of teacher and student"), Paragraph(text), Picture("scores", alternative, png(figure))]


def training_section(losses: Mapping[str, Sequence[tuple[int, float]]]) -> list[Block]:
    """Loss curves of the stages that logged them; nothing without a log."""
    logged = {name: rows for name, rows in losses.items() if rows}
    if not logged:
        return []
    text = (
        "Training loss by step. The teacher's batches are of two kinds, judged ones and those held to the bi-encoder."
    )
    picture = Picture("losses", f"Training loss of the {' and the '.join(logged)}.", png(loss_curve(logged)))
    return [Heading("Training"), Paragraph(text), picture]


def _reliability(pairs: ScoredPairs, system: str) -> Block:
    calibrated = calibrated_probabilities(pairs, system)
    if np.isnan(calibrated).any():
        return Paragraph(f"No reliability diagram of the {system}: calibration takes two held-out queries.")
    shown = {"before calibration": raw_probabilities(pairs, system), "after (cross-fitted)": calibrated}
    text = f"Reliability of the {system}: mean human target by probability in ten bins, and the pairs in each bin."
    return Picture(f"reliability-{system}", text, png(reliability_diagram(pairs.targets, shown)))
