"""The worst mistakes of a system, chosen by figures and shown as text: what no mean tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relevance.ranking_metrics import soft_target_ndcg
from training.evaluation.measure import RELEVANT_TARGET
from training.evaluation.scored_pairs import FloatArray, ScoredPairs
from training.evaluation.summary import calibrated_probabilities
from training.report.document import Block, Column, Heading, Paragraph, Table
from training.report.numbers import number

PAIRS_SHOWN = 15
QUERIES_SHOWN = 5
RESULTS_SHOWN = 5
LONGEST_TEXT = 160
JUDGED_BY = ("teacher", "student")
_COMMON = (Column("target"), Column("teacher probability"), Column("student probability"))


@dataclass(frozen=True, slots=True)
class WorstQuery:
    """A query a system ranks badly; `top` are the rows of its best-scored pairs, best first."""

    query: str
    ndcg: float
    candidates: int
    relevant: int
    top: Sequence[int]


def worst_pairs(targets: FloatArray, probabilities: FloatArray, count: int) -> npt.NDArray[np.int64]:
    """Rows of the `count` pairs with the largest |probability − target|, the worst first; of equals the first."""
    return np.argsort(-np.abs(probabilities - targets), kind="stable")[:count]


def worst_queries(pairs: ScoredPairs, system: str, count: int) -> list[WorstQuery]:
    """The `count` queries with the lowest nDCG@10, the worst first; those without an nDCG are left out."""
    found = []
    for query, rows in pairs.groups().items():
        targets, scores = pairs.targets[rows], pairs.scores[system][rows]
        ndcg = soft_target_ndcg(targets, scores, 10)
        if not np.isnan(ndcg):
            top = rows.start + np.argsort(-scores, kind="stable")[:RESULTS_SHOWN]
            relevant = int(np.count_nonzero(targets >= RELEVANT_TARGET))
            found.append(WorstQuery(query, ndcg, len(targets), relevant, top.tolist()))
    return sorted(found, key=lambda each: each.ndcg)[:count]


def mistakes_section(pairs: ScoredPairs) -> list[Block]:
    """Worst pairs and worst queries of the student and of the teacher, on the held-out queries."""
    blocks: list[Block] = [
        Heading("The worst mistakes"),
        Paragraph(
            "Held-out queries only. Probabilities are cross-fitted: each half of the queries is calibrated on the "
            "other half. Where both models are wrong in the same way, look at the judgement too."
        ),
    ]
    probabilities = {system: calibrated_probabilities(pairs, system) for system in JUDGED_BY}
    for system in reversed(JUDGED_BY):
        blocks += [*_pairs_part(pairs, probabilities, system), *_queries_part(pairs, probabilities, system)]
    return blocks


def _pairs_part(pairs: ScoredPairs, probabilities: dict[str, FloatArray], system: str) -> list[Block]:
    heading = Heading(f"Pairs that the {system} is most wrong about", 3)
    given = probabilities[system]
    if np.isnan(given).any():
        return [heading, Paragraph("There are no calibrated probabilities: they take two held-out queries.")]
    columns = [Column("query", False), Column("title", False), *_COMMON, Column("error")]
    rows = [
        [_cut(pairs.queries[row]), *_pair(pairs, probabilities, row), number(given[row] - pairs.targets[row], "+.2f")]
        for row in worst_pairs(pairs.targets, given, PAIRS_SHOWN)
    ]
    return [heading, Paragraph(f"Error: the {system}'s probability minus the human target."), Table(columns, rows)]


def _queries_part(pairs: ScoredPairs, probabilities: dict[str, FloatArray], system: str) -> list[Block]:
    blocks: list[Block] = [Heading(f"Queries that the {system} ranks worst", 3)]
    worst = worst_queries(pairs, system, QUERIES_SHOWN)
    if not worst:
        return [*blocks, Paragraph("No held-out query has a product of any relevance.")]
    columns = [Column("rank"), Column("title", False), *_COMMON]
    for each in worst:
        text = (
            f"“{_cut(each.query)}”: nDCG@10 {each.ndcg:.3f}, {each.relevant} of {each.candidates} candidates relevant; "
            f"the {system}'s top {len(each.top)}:"
        )
        rows = [[str(rank), *_pair(pairs, probabilities, row)] for rank, row in enumerate(each.top, start=1)]
        blocks += [Paragraph(text), Table(columns, rows)]
    return blocks


def _pair(pairs: ScoredPairs, probabilities: dict[str, FloatArray], row: int) -> list[str]:
    numbers = [pairs.targets[row], *(probabilities[system][row] for system in JUDGED_BY)]
    return [_cut(pairs.titles[row]), *(number(value, ".2f") for value in numbers)]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
