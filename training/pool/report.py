"""What is in a pool: a report for people, from the pool alone and, once it is labelled, from its labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.errors import RunDirectoryError
from training.pool.candidates import OVERLAP_DEPTH
from training.pool.pairs import Integers, Origin, Pool, Source
from training.run_directory import whole_file

LONGEST_COUNTED = 8
"""Queries of so many words and more are counted together."""
BINS = 10
"""Bins of the teacher's probability, of equal width."""
GROUPS_AT_ONCE = 4096
TEACHER = "## The teacher's scores"
"""Heading of the part that is there once the pool is labelled."""

Labels = npt.NDArray[np.float32]


def write_pool_report(pool: Pool, labels: Labels | None, path: Path) -> dict[str, Any]:
    """Write the report as Markdown and return it; `labels` (n,) are the teacher's logits, once they exist."""
    report = pool_report(pool, labels)
    with whole_file(path) as partial:
        partial.write_text(report_markdown(report), encoding="utf-8")
    return report


def tells_of_teacher(path: Path) -> bool:
    """Whether the report there was written with the teacher's logits."""
    try:
        return TEACHER.encode() in path.read_bytes()
    except FileNotFoundError:
        return False


def pool_report(pool: Pool, labels: Labels | None = None) -> dict[str, Any]:
    """Sizes, sources and shares as JSON; `teacher` is there only with `labels`."""
    sizes = np.diff(pool.starts)
    origins = np.bincount(pool.facts.origin, minlength=len(Origin))
    overlaps = pool.facts.overlap[~np.isnan(pool.facts.overlap)]
    repeated = _repeated_pairs(pool)
    report = {
        "pairs": len(pool),
        "queries": len(pool.queries),
        "distinct_queries": len(set(pool.queries)),
        "products": len(pool.products),
        "catalogue": pool.catalogue,
        "coverage": len(pool.products) / max(1, pool.catalogue),
        "pairs_per_query": {"least": int(sizes.min()), "mean": float(sizes.mean()), "most": int(sizes.max())},
        "pairs_by_source": _named(Source, _counts_by_source(pool)),
        "queries_by_origin": _named(Origin, origins),
        "misspelt_share": float(pool.facts.misspelt.mean()),
        "overlap": {
            "depth": OVERLAP_DEPTH,
            "queries": len(overlaps),
            "mean": float(overlaps.mean()) if len(overlaps) else None,
            "share_without": float((overlaps == 0.0).mean()) if len(overlaps) else None,
        },
        "repeated_pairs": repeated,
        "repeated_share": repeated / len(pool),
        "words_per_query": _words(pool.queries),
    }
    return report if labels is None else {**report, "teacher": _teacher(pool, labels)}


def report_markdown(report: Mapping[str, Any]) -> str:
    """The report for people."""
    per_query, overlap = report["pairs_per_query"], report["overlap"]
    lines = [
        "# The pool",
        "",
        f"- {report['pairs']:,} pairs of {report['queries']:,} queries ({report['distinct_queries']:,} distinct); "
        f"pairs per query {per_query['least']} to {per_query['most']}, mean {per_query['mean']:.1f}",
        f"- {report['products']:,} of the catalogue's {report['catalogue']:,} products ({report['coverage']:.1%})",
        f"- {report['repeated_pairs']:,} pairs ({report['repeated_share']:.2%}) are there before, under the same query",
        f"- {report['misspelt_share']:.1%} of the queries were misspelt on purpose",
    ]
    if overlap["mean"] is not None:
        lines.append(
            f"- BM25's and the bi-encoder's first {overlap['depth']}: Jaccard index {overlap['mean']:.3f} in the mean "
            f"of {overlap['queries']:,} queries, nothing in common for {overlap['share_without']:.1%}"
        )
    lines += ["", *_shares("source of the pair", "pairs", report["pairs_by_source"])]
    lines += ["", *_shares("origin of the query", "queries", report["queries_by_origin"])]
    lines += ["", *_shares("words of the query", "queries", report["words_per_query"])]
    if teacher := report.get("teacher"):
        lines += ["", TEACHER, "", f"Logits: mean {teacher['mean']:.3f}, deviation "
                  f"{teacher['deviation']:.3f}, from {teacher['least']:.3f} to {teacher['most']:.3f}."]  # fmt: skip
        lines += ["", *_shares("probability (uncalibrated)", "pairs", teacher["histogram"])]
        lines += ["", "| source | mean logit |", "| --- | --: |"]
        lines += [f"| {name} | {mean:.3f} |" for name, mean in teacher["mean_by_source"].items()]
    return "\n".join([*lines, ""])


def _shares(what: str, of: str, counts: Mapping[str, int]) -> Iterator[str]:
    total = max(1, sum(counts.values()))
    yield from (f"| {what} | {of} | share |", "| --- | --: | --: |")
    yield from (f"| {name} | {count:,} | {count / total:.1%} |" for name, count in counts.items())


def _named(names: type[Source] | type[Origin], counts: npt.NDArray[np.int64]) -> dict[str, int]:
    return {name.name.lower(): int(counts[name]) for name in names if counts[name]}


def _counts_by_source(pool: Pool) -> npt.NDArray[np.int64]:
    counts = np.zeros(len(Source), dtype=np.int64)
    for rows in pool.blocks():
        counts += np.bincount(pool.source[rows], minlength=len(Source))
    return counts


def _words(queries: Iterable[str]) -> dict[str, int]:
    counts = Counter(min(len(query.split()), LONGEST_COUNTED) for query in queries)
    return {f"{n}+" if n == LONGEST_COUNTED else str(n): counts[n] for n in sorted(counts)}


def _repeated_pairs(pool: Pool) -> int:
    """Pairs whose query text and product stand together before; counted text by text to bound memory."""
    number_of = {text: number for number, text in enumerate(dict.fromkeys(pool.queries))}
    starts = pool.starts
    texts = np.array([number_of[pool.queries[query]] for query in pool.query_of[starts[:-1]]], dtype=np.int64)
    order = np.argsort(texts, kind="stable")
    distinct = 0
    for some in _whole_texts(order, texts):
        rows = np.concatenate([np.arange(starts[group], starts[group + 1]) for group in some])
        text = np.repeat(texts[some], np.diff(starts)[some])
        distinct += len(np.unique(text * len(pool.products) + pool.product_of[rows]))
    return len(pool) - distinct


def _whole_texts(order: Integers, texts: Integers) -> Iterator[Integers]:
    """Groups in the given order, about GROUPS_AT_ONCE at a time, those of one text never apart."""
    start = 0
    while start < len(order):
        end = min(start + GROUPS_AT_ONCE, len(order))
        while end < len(order) and texts[order[end]] == texts[order[end - 1]]:
            end += 1
        yield order[start:end]
        start = end


def _teacher(pool: Pool, labels: Labels) -> dict[str, Any]:
    """Histogram of the teacher's probabilities, and the moments of its logits, walked block by block."""
    if len(labels) != len(pool):
        raise RunDirectoryError(f"{len(labels)} labels do not belong to a pool of {len(pool)} pairs; label it again")
    edges = np.linspace(0.0, 1.0, BINS + 1)
    histogram, count, total = (np.zeros(size) for size in (BINS, len(Source), len(Source)))
    squares, least, most = 0.0, np.inf, -np.inf
    for rows in pool.blocks():
        logits = np.asarray(labels[rows], dtype=np.float64)
        histogram += np.histogram(1.0 / (1.0 + np.exp(-np.clip(logits, -500.0, 500.0))), edges)[0]
        count += np.bincount(pool.source[rows], minlength=len(Source))
        total += np.bincount(pool.source[rows], weights=logits, minlength=len(Source))
        squares += float(logits @ logits)
        least, most = min(least, float(logits.min())), max(most, float(logits.max()))
    mean = float(total.sum()) / len(pool)
    return {
        "mean": mean,
        "deviation": float(np.sqrt(max(0.0, squares / len(pool) - mean * mean))),
        "least": least,
        "most": most,
        "histogram": {f"{edges[n]:.1f}–{edges[n + 1]:.1f}": int(histogram[n]) for n in range(BINS)},
        "mean_by_source": {s.name.lower(): float(total[s] / count[s]) for s in Source if count[s]},
    }
