from __future__ import annotations

import json

from loadtest.bench.result import LoadResult, counted

RESULT = LoadResult(
    "c1x1",
    "one at a time",
    {
        "pairs_per_s": {"raw": 1239.6, "aisle": 600.0, "sentence-transformers": 99.123},
        "p99_ms": {"aisle": None, "sentence-transformers": 12.0},
        "aisle_to_this": {},
    },
    {"rounds": {"sentence-transformers": [99.0, 99.2]}},
)


def test_json_has_each_systems_headline_by_its_name() -> None:
    content = json.loads(json.dumps(RESULT.as_json()))
    assert content["figure"] == "pairs_per_s"
    assert (content["raw"], content["aisle"], content["sentence_transformers"]) == (1239.6, 600.0, 99.123)
    assert content["p99_ms"] == {"aisle": None, "sentence_transformers": 12.0}
    assert content["rounds"] == {"sentence_transformers": [99.0, 99.2]}


def test_one_is_no_plural() -> None:
    assert [counted(number, "client") for number in (1, 8)] == ["1 client", "8 clients"]


def test_the_table_has_a_column_for_each_system() -> None:
    assert RESULT.as_markdown().splitlines() == [
        "| c1x1: one at a time | raw | aisle | sentence-transformers |",
        "| --- | --: | --: | --: |",
        "| pairs per s | 1,240 | 600 | 99.12 |",
        "| p99 ms |  | none | 12 |",
    ]
