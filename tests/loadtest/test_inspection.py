from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.faults import NOT_SCORES
from loadtest.inspection import STAGE_HEADERS, Inspection, degraded_in, inspect_score, inspected, stages_in
from loadtest.outcomes import Outcome, Stages

REPLY = {"results": [{"index": 0}, {"index": 1}], "scored": 1, "total": 2, "degraded": True}


def test_a_reply_is_whole_or_degraded() -> None:
    assert inspect_score(json.dumps(REPLY).encode(), 2) == Inspection("", True)
    assert inspect_score(json.dumps({**REPLY, "degraded": False}).encode(), 2) == Inspection("", False)


@pytest.mark.parametrize("change", [{"total": 3}, {"results": None}, {"total": None}])
def test_another_shape_holds_no_scores(change: dict[str, object]) -> None:
    assert inspect_score(json.dumps({**REPLY, **change}).encode(), 2).fault == NOT_SCORES


@given(reply=st.one_of(st.binary(), st.sampled_from([b"", b"null", b"[]", b"{}", b"3", b"[" * 100_000])))
def test_whatever_comes_is_told_and_not_raised(reply: bytes) -> None:
    assert inspect_score(reply, 1) == Inspection(NOT_SCORES, False)


def test_the_outcome_of_a_failure_keeps_the_beginning_of_its_reply() -> None:
    refused = inspected(Outcome(1, 0.0, 0.0, 0.1, 503, b"queue is full" + b"." * 1000), inspect_score)
    assert refused.error.startswith("status 503: queue is full...")
    assert len(refused.error) < 400
    assert (refused.reply, refused.kind) == (b"", "status 503")
    degraded = inspected(Outcome(2, 0.0, 0.0, 0.1, 200, json.dumps(REPLY).encode()), inspect_score)
    assert (degraded.answered, degraded.degraded, degraded.error) == (True, True, "")


def test_a_header_may_tell_what_is_degraded() -> None:
    assert degraded_in({"x-aisle-degraded": "true"})
    assert not degraded_in({"x-aisle-degraded": "false"})
    assert not degraded_in({})
    whole = json.dumps({**REPLY, "degraded": False}).encode()
    assert inspected(Outcome(2, 0.0, 0.0, 0.1, 200, whole, degraded=True), inspect_score).degraded


@pytest.mark.parametrize("change", [{"x-aisle-queue-ms": "soon"}, {"x-aisle-queue-ms": None}])
def test_stages_are_told_whole_or_not_at_all(change: dict[str, str | None]) -> None:
    headers = dict(zip(STAGE_HEADERS, ("1", "2.5", "3", "7"), strict=True))
    assert stages_in(headers) == Stages(1.0, 2.5, 3.0, 7.0)
    assert stages_in({name: value for name, value in {**headers, **change}.items() if value is not None}) is None
