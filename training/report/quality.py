"""The report's tables of quality: systems, paired tests, slices. All numbers are the evaluation stage's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.measure import HEADLINE, METRICS, TAU
from training.evaluation.slices import DIFFERENCES, SYSTEMS
from training.report.canvas import png
from training.report.document import Block, Column, Heading, Paragraph, Picture, Table
from training.report.numbers import FEWEST_QUERIES, as_interval, interval, number, p_value, verdict
from training.report.studies import Dot, dot_plot

SETS = {"held_out": "held-out queries", "general": "general check"}
NAMES = {
    "ndcg@5": "nDCG@5",
    "ndcg@10": "nDCG@10",
    "mrr@10": "MRR@10",
    "auc": "AUC",
    TAU: "Kendall tau to the teacher",
}
DIFFERENCE_NAMES = {key: f"{first} − {second}" for key, (first, second) in DIFFERENCES.items()}


def systems_section(figures: Mapping[str, Any]) -> list[Block]:
    """Each system's metrics on the held-out queries and on the general check."""
    blocks: list[Block] = [
        Heading("Systems"),
        Paragraph(
            "Means over queries with 95 % bootstrap intervals over queries. A query counts in a metric only where that "
            "metric is defined: nDCG takes a product of some relevance, AUC relevant and other ones. Kendall's tau-b "
            "compares the order of a query's candidates with the teacher's. One query has a value, but no interval."
        ),
    ]
    for name, title in SETS.items():
        size = figures["evaluated"][name]
        blocks.append(Heading(f"{title[0].upper()}{title[1:]}: {size['queries']} queries, {size['pairs']} pairs", 3))
        blocks.append(_systems_table(figures[name]))
    dots = [
        Dot(system, as_interval(values), title)
        for name, title in SETS.items()
        for system, values in figures[name][HEADLINE].items()
    ]
    return [*blocks, Picture("systems", "nDCG@10 of each system with its 95 % interval.", png(dot_plot(dots)))]


def tests_section(figures: Mapping[str, Any]) -> list[Block]:
    """Paired differences on the same queries."""
    columns = [Column("difference in nDCG@10", False), Column("on", False), Column("queries")]
    columns += [Column("mean [95 % interval]"), Column("p"), Column("the first is", False)]
    rows = [
        [
            DIFFERENCE_NAMES[key],
            title,
            str(test["queries"]),
            interval(test, "+"),
            p_value(test["p_value"]),
            verdict(test, test["queries"], test["p_value"]),
        ]
        for name, title in SETS.items()
        for key, test in figures["tests"][name].items()
    ]
    text = (
        "Differences query by query: a 95 % bootstrap interval over queries, and the two-sided p-value of a "
        "randomisation test that flips the signs of the differences. A difference counts as significant only if the "
        "interval leaves out 0 and p is below 0.05."
    )
    return [Heading("Paired tests"), Paragraph(text), Table(columns, rows)]


def slices_section(figures: Mapping[str, Any]) -> list[Block]:
    """nDCG@10 by kind of query."""
    columns = [
        Column("slice", False),
        Column("queries"),
        *map(Column, SYSTEMS),
        *map(Column, DIFFERENCE_NAMES.values()),
    ]
    columns.append(Column("student against teacher", False))
    text = (
        "Mean nDCG@10 of the held-out queries by kind of query; differences with their 95 % interval. Slices are many "
        "and small: about one interval in twenty misses by chance alone, and none is corrected for that. Below "
        f"{FEWEST_QUERIES} queries nothing is claimed. A query names a brand if the words of a brand of the catalogue "
        "stand in it; a model number is a token of letters and digits (500gb too) or of three digits or more; the "
        "category is the product type of the query's most relevant products; a candidate is relevant from a human "
        "target of 0.5 on. “7 of 9” queries: the others have no product of any relevance, so nothing to rank."
    )
    blocks: list[Block] = [Heading("Slices"), Paragraph(text)]
    for dimension, by_value in figures["slices"].items():
        rows = [[value, _counted(cell), *_slice_cells(cell)] for value, cell in by_value.items()]
        blocks += [Heading(f"By {dimension}", 3), Table(columns, rows)]
    return blocks


def _systems_table(by_metric: Mapping[str, Any]) -> Table:
    metrics = [metric for metric in (*METRICS, TAU) if metric in by_metric]
    columns = [Column("system", False), *(Column(NAMES[metric]) for metric in metrics)]
    rows = [[system, *(interval(by_metric[metric][system]) for metric in metrics)] for system in by_metric[HEADLINE]]
    return Table(columns, rows)


def _counted(cell: Mapping[str, Any]) -> str:
    """Queries that count; `7 of 9` where not all have an nDCG."""
    ranked, queries = cell["ranked"], cell["queries"]
    return str(queries) if ranked == queries else f"{ranked} of {queries}"


def _slice_cells(cell: Mapping[str, Any]) -> list[str]:
    means = [number(cell[HEADLINE][system]["mean"]) for system in SYSTEMS]
    differences = [interval(cell[key], "+") for key in DIFFERENCE_NAMES]
    return [*means, *differences, verdict(cell["student_minus_teacher"], cell["ranked"])]
