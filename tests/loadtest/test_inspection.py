from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.faults import NOT_SCORES
from loadtest.inspection import Inspection, inspect_score

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
