from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from loadtest.budget import Budget
from loadtest.faults import NOT_SCORES
from loadtest.inspection import Inspection
from loadtest.routes import inspect_array, inspect_results

RESULTS: dict[str, Any] = {
    "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
    "meta": {"aisle": {"degraded": True}},
}
ARRAY = [{"index": 1, "score": 0.9}, {"index": 0, "score": 0.1}]
GARBAGE = [b"", b"[]", b"{}", b"null", b'[{"index": [1]}]', b'{"results": 3}', b"[" * 100_000, b"\xff"]


def test_whole_replies_have_no_fault() -> None:
    assert inspect_results(json.dumps(RESULTS).encode(), 2) == Inspection("", True)
    assert inspect_array(json.dumps(ARRAY).encode(), 2) == Inspection("", False)


def test_a_reply_that_lacks_a_document_is_a_fault() -> None:
    assert inspect_results(json.dumps(RESULTS).encode(), 3).fault == NOT_SCORES
    assert inspect_array(json.dumps([*ARRAY[:1], *ARRAY[:1]]).encode(), 2).fault == NOT_SCORES


@pytest.mark.parametrize("reply", GARBAGE)
def test_garbage_is_a_fault_and_raises_nothing(reply: bytes) -> None:
    assert inspect_results(reply, 2).fault == NOT_SCORES
    assert inspect_array(reply, 2).fault == NOT_SCORES


def test_what_a_route_cannot_do_is_refused() -> None:
    load = {"kind": "poisson", "rate": 20, "seconds": 2}
    budget = {"load": load, "limits": {"p99_ms": 50}, "workload": {"route": "tei", "products_as": "ids"}}
    with pytest.raises(ValidationError, match="'tei' takes texts, no ids"):
        Budget.model_validate(budget)
    Budget.model_validate({**budget, "workload": {"route": "cohere", "products_as": "ids"}})
