from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInputError, ServiceError, TooLargeError
from service.excess import MANY, refuse_excess
from service.validation import Limits, parse_body

LIMITS = Limits(candidates=1000, text_chars=60)
SMALL = Limits(candidates=3, text_chars=2 * MANY, catalogue=True)


def listed(one: str, count: int = MANY + 1) -> str:
    return "[" + ",".join([one] * count) + "]"


MANY_FIELDS = ",".join(f'"{number}":[]' for number in range(MANY + 1))


@pytest.mark.parametrize(
    ("body", "error", "told"),
    [
        (
            f'{{"query":"a","candidates":{listed("{}")}}}',
            TooLargeError,
            f"has {MANY + 1} candidates; the limit is 1000",
        ),
        (f'{{"query":"a","candidates":{listed("0")}}}', InvalidInputError, "`candidates[0]` is not valid: expected"),
        (f'{{"requests":{listed("{}")}}}', TooLargeError, f"has {MANY + 1} requests; the limit is 1000 candidates"),
        (f'{{"requests":{listed("1")}}}', InvalidInputError, "`requests[0]` is not valid"),
        (f'{{"requests":[{{"candidates":{listed("0")}}}]}}', InvalidInputError, "`requests[0].candidates[0]`"),
        (f'{{"query":"a",{MANY_FIELDS}}}', InvalidInputError, "`body` is not valid: object contains unknown field `0`"),
        (f'{{"candidates":[{{"title":"a",{MANY_FIELDS}}}]}}', InvalidInputError, "`candidates[0]` is not valid"),
        (
            f'{{"candidates":[{{"attributes":{{{MANY_FIELDS}}}}}]}}',
            InvalidInputError,
            "`candidates[0].attributes[...]`",
        ),
    ],
)
def test_what_would_take_long_to_refuse_is_refused_at_its_first_fault(
    body: str, error: type[ServiceError], told: str
) -> None:
    with pytest.raises(error) as refused:
        refuse_excess(body.encode(), LIMITS)
    assert told in refused.value.detail
    assert len(refused.value.errors) <= 1


def test_a_large_body_that_is_valid_passes() -> None:
    product = {"title": "a, b, c", "attributes": {"a": 1, "b": "x", "c": True, "d": 0.5}, "prior": 1, "id": None}
    body = json.dumps({"query": "a", "candidates": [product] * 1000}).encode()
    assert body.count(b",") > MANY
    refuse_excess(body, LIMITS)
    parse_body(body, LIMITS)


candidates = st.sampled_from(
    ["a", {"title": "b"}, {"id": "c"}, {"title": "d", "attributes": {"e": 1}}, {"title": 1}, 3]
)


@given(st.lists(candidates, max_size=6), st.booleans())
def test_what_is_refused_here_would_be_refused_by_validation_too(sent: list[object], several: bool) -> None:
    # Commas in a text count as well: what is looked into need not be large.
    request = {"query": "a" + "," * MANY, "candidates": sent}
    raw = json.dumps({"requests": [request, request]} if several else request).encode()
    try:
        refuse_excess(raw, SMALL)
    except ServiceError:
        with pytest.raises(ServiceError):
            parse_body(raw, SMALL)


@pytest.mark.parametrize("body", [b"," * (MANY + 1), b'{"query"' + b"," * (MANY + 1), b"\xff" + b"," * (MANY + 1)])
def test_what_is_no_json_is_left_to_who_says_where(body: bytes) -> None:
    refuse_excess(body, LIMITS)
