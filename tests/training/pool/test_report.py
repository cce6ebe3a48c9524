from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.product import Product
from training.errors import RunDirectoryError
from training.pool import Origin, Pool, QueryFacts, Source
from training.pool import report as module
from training.pool.report import pool_report, write_pool_report

NAN = float("nan")
FACTS = QueryFacts(
    origin=np.array([Origin.JUDGED, Origin.OWN, Origin.GENERAL, Origin.GENERAL], dtype=np.int8),
    misspelt=np.array([False, True, False, False]),
    overlap=np.array([NAN, 0.5, 0.0, 0.0], dtype=np.float32),
)
POOL = Pool(
    ["lamp", "desk lamp", "a lamp for the desk in my new room", "desk lamp"],
    [Product(title=f"lamp {n}") for n in range(3)],
    np.array([0, 0, 1, 1, 1, 2, 3, 3]),
    np.array([0, 1, 0, 1, 2, 2, 0, 2]),
    np.zeros(8, dtype=np.float32),
    np.array([Source.JUDGED] * 2 + [Source.DENSE] * 4 + [Source.RANDOM] * 2, dtype=np.int8),
    FACTS,
    catalogue=10,
)


def test_every_figure_is_counted() -> None:
    report = pool_report(POOL)
    assert (report["pairs"], report["queries"], report["distinct_queries"]) == (8, 4, 3)
    assert (report["products"], report["catalogue"], report["coverage"]) == (3, 10, 0.3)
    assert report["pairs_per_query"] == {"least": 1, "mean": 2.0, "most": 3}
    assert report["pairs_by_source"] == {"judged": 2, "dense": 4, "random": 2}
    assert report["queries_by_origin"] == {"judged": 1, "own": 1, "general": 2}
    assert report["misspelt_share"] == 0.25
    assert report["overlap"] == {"depth": 10, "queries": 3, "mean": pytest.approx(1 / 6), "share_without": 2 / 3}
    assert (report["repeated_pairs"], report["repeated_share"]) == (2, 0.25)
    assert report["words_per_query"] == {"1": 1, "2": 2, "8+": 1}
    assert "teacher" not in report


def test_labels_add_the_teachers_scores() -> None:
    logits = np.array([-9, 9, 0, 0, 0, 0.1, -9, -9], dtype=np.float32)
    teacher = pool_report(POOL, logits)["teacher"]
    assert sum(teacher["histogram"].values()) == 8
    assert (teacher["histogram"]["0.0–0.1"], teacher["histogram"]["0.5–0.6"]) == (3, 4)
    assert teacher["mean"] == pytest.approx(logits.mean(), rel=1e-6)
    assert teacher["deviation"] == pytest.approx(logits.std(), rel=1e-6)
    assert teacher["mean_by_source"] == {"judged": 0.0, "dense": pytest.approx(0.025), "random": -9.0}


def test_labels_of_another_pool_are_refused() -> None:
    with pytest.raises(RunDirectoryError, match="7 labels do not belong to a pool of 8 pairs"):
        pool_report(POOL, np.zeros(7, dtype=np.float32))


@given(st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=6), min_size=1, max_size=12), st.integers(1, 4))
def test_repeats_are_counted_however_many_queries_are_held(groups: list[list[int]], at_once: int) -> None:
    texts = [f"query {len(group) % 3}" for group in groups]
    query_of = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    product_of = np.concatenate([np.array(group) for group in groups])
    pool = Pool(
        texts, [Product(title=f"{n}") for n in range(5)], query_of, product_of, np.zeros(len(query_of), np.float32)
    )
    seen = {(texts[query], product) for query, product in zip(query_of, product_of, strict=True)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "GROUPS_AT_ONCE", at_once)
        assert pool_report(pool)["repeated_pairs"] == len(query_of) - len(seen)


def test_the_written_report_holds_the_figures(tmp_path: Path) -> None:
    write_pool_report(POOL, np.zeros(8, dtype=np.float32), tmp_path / "report.md")
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for line in ("3 of the catalogue's 10 products (30.0%)", "| dense | 4 | 50.0% |", "| 0.5–0.6 | 8 | 100.0% |"):
        assert line in text
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_pool_without_facts_still_has_a_report(tmp_path: Path) -> None:
    bare = replace(POOL, source=np.zeros(0, dtype=np.int8), facts=QueryFacts.unrecorded(0))
    report = write_pool_report(bare, None, tmp_path / "report.md")
    assert report["pairs_by_source"] == {"unrecorded": 8}
    assert report["overlap"]["mean"] is None
