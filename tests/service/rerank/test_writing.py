from __future__ import annotations

from typing import Any

from service.request import Body
from service.rerank.reading import Reranking
from service.rerank.writing import write_array, write_results
from service.served import Scored, Stage, Timings

TIMINGS = Timings(Stage(0.0, 0.001), Stage(0.0, 0.001), Stage(0.0, 0.001), 0.004)


def asked(count: int, **changes: Any) -> Reranking:
    fields: dict[str, Any] = {
        "places": range(count),
        "top_n": None,
        "return_documents": False,
        "raw_scores": False,
        "notes": [],
        **changes,
    }
    return Reranking(Body([]), [f"text {row}" for row in range(count)], **fields)


def reply(*results: dict[str, Any]) -> dict[str, Any]:
    scored = sum("debug" in result and result["debug"]["logit"] is not None for result in results)
    return {
        "model": {"name": "tiny", "version": "7"},
        "results": [{"index": row, **result} for row, result in enumerate(results)],
        "scored": scored,
        "total": len(results),
        "degraded": scored < sum("debug" in result for result in results),
        "truncated": 0,
        "timing_ms": TIMINGS.milliseconds(),
    }


def result(rank: int, score: float, logit: float | None) -> dict[str, Any]:
    return {"rank": rank, "score": score, "debug": {"logit": logit, "tokens": 6}}


LATE = reply(result(3, 0.1, None), result(1, 0.7, 0.8), result(2, 0.4, -0.4), result(4, 0.05, None))
"""A deadline left the first and the last unscored."""

SCORED = Scored(TIMINGS, candidates=4, scored=2, truncated=0)
UNKNOWN = {"id": "x", "error": {"code": "unknown_product", "detail": "no such product"}}


def test_what_a_deadline_left_unscored_keeps_its_place_below() -> None:
    items, headers = write_array(asked(4), LATE, SCORED)
    assert items == [
        {"index": 1, "score": 0.7},
        {"index": 2, "score": 0.4},
        {"index": 0, "score": 0.1},
        {"index": 3, "score": 0.05},
    ]
    assert headers["x-aisle-degraded"] == "true"
    assert headers["x-aisle-warnings"].startswith("documents: 2 of 4 were scored in time")
    content: Any = write_results(asked(4), LATE, SCORED).content
    assert (content["meta"]["aisle"]["scored"], content["meta"]["aisle"]["degraded"]) == (2, True)
    assert content["meta"]["warnings"] == [
        "documents: 2 of 4 were scored in time; the rest stands below, in prior order"
    ]


def test_raw_scores_of_unscored_documents_are_finite_and_fall() -> None:
    items: Any = write_array(asked(4, raw_scores=True), LATE, SCORED).content
    assert [item["score"] for item in items] == [0.8, -0.4, -1.4, -2.4]


def test_a_product_that_the_catalogue_does_not_know_comes_last_and_is_told() -> None:
    content: Any = write_results(asked(2, raw_scores=True), reply(UNKNOWN, result(1, 0.3, -0.8)), SCORED).content
    assert content["results"] == [{"index": 1, "relevance_score": -0.8}, {"index": 0, "relevance_score": -0.8}]
    assert content["meta"]["warnings"] == ["documents[0]: no such product"]


def test_blank_documents_stand_last_and_are_told() -> None:
    sent = asked(4, places=[1, 3], return_documents=True, raw_scores=True)
    content: Any = write_results(sent, reply(result(2, 0.3, -0.8), result(1, 0.7, 0.8)), SCORED).content
    assert [(item["index"], item["relevance_score"]) for item in content["results"]] == [
        (3, 0.8),
        (1, -0.8),
        (0, -0.8),
        (2, -0.8),
    ]
    assert [item["document"]["text"] for item in content["results"]] == ["text 3", "text 1", "text 0", "text 2"]
    told = "There is nothing to read in it; it stands last."
    assert content["meta"]["warnings"] == [f"documents[0]: {told}", f"documents[2]: {told}"]
    items: Any = write_array(asked(4, places=[1, 3], top_n=3), reply(UNKNOWN, result(1, 0.7, 0.8)), SCORED).content
    assert items == [{"index": 3, "score": 0.7}, {"index": 0, "score": 0.0}, {"index": 1, "score": 0.0}]
