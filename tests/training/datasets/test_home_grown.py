from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.training.datasets.generic_files import write_jsonl
from training.datasets.generic import read_generic
from training.splits import query_key, split_by_query


def test_home_grown_data_goes_through_to_a_split(tmp_path: Path) -> None:
    """Three thousand judgements in the ways people write them: unicode, one-product queries, lists of raters."""
    words = ["lámpara", "стол", "机", "mug", "rug", "desk", "bed", "sofa", "clock", "vase"]
    products = [{"id": n, "title": f"{words[n % 10]} no. {n}", "price": n / 7} for n in range(1000)]
    names = ["Irrelevant", "Partial", "Exact"]
    judgements: list[dict[str, Any]] = [
        {
            "query": f"{words[q % 10]} {words[q // 10 % 10]} {q}",
            "product_id": str((7 * q + p) % 1000),
            "grade": names[p % 3],
        }
        for q in range(300)
        for p in range(1 if q % 50 == 0 else 10)
    ]
    judgements += [{**row, "grade": None, "raters": ["Exact", "Partial"]} for row in judgements[:200]]
    write_jsonl(
        tmp_path, {"products": products, "judgements": judgements, "queries": [{"query": word} for word in words]}
    )
    (tmp_path / "grades.json").write_text('{"Irrelevant": 0, "Partial": 0.5, "Exact": 1}', encoding="utf-8")
    started = time.process_time()
    data = read_generic(tmp_path, "jsonl")
    split = split_by_query(data, 0.25, 0)
    assert time.process_time() - started < 5.0
    assert (len(data.products), len(data.judgements), len(data.query_log)) == (1000, 2946, 10)
    train, held_out = split.train.by_query(), split.held_out.by_query()
    assert len(train) + len(held_out) == 300
    assert len(held_out) >= 75
    assert not {query_key(query) for query in train} & {query_key(query) for query in held_out}
    alone = [group for group in (*train.values(), *held_out.values()) if len(group) == 1]
    assert len(alone) == 6
    # The repeat of "Irrelevant" by raters who said Exact and Partial: the mean of 0 and 0.75.
    assert data.judgements[0].target == pytest.approx(0.375)
