from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import EmptyInputError, InvalidInputError, ServiceError, TooLargeError
from service.schemas import ScoreRequest, ScoreRequests, requests_of
from service.validation import MAX_ERRORS_TOLD, Limits, parse_body, parse_deadline

LIMITS = Limits(candidates=5, text_chars=100)


def refusal(raw: bytes | str) -> ServiceError:
    with pytest.raises(ServiceError) as refused:
        parse_body(raw if isinstance(raw, bytes) else raw.encode(), LIMITS)
    return refused.value


def fields(error: ServiceError) -> dict[str, str]:
    return {field_error.field: field_error.message for field_error in error.errors}


def one(**changes: object) -> str:
    return json.dumps({"query": "q", "candidates": ["a"]} | changes)


def candidate(**product: object) -> str:
    return one(candidates=["fine", product])


def test_a_body_of_one_request() -> None:
    raw = one(candidates=["a", {"title": "b", "prior": 2}], top_k=1, deadline_ms=5, debug=True)
    body = parse_body(raw.encode(), LIMITS)
    assert isinstance(body, ScoreRequest)
    assert [product.title for product in body.candidates] == ["a", "b"]
    assert (body.top_k, body.deadline_ms, body.debug) == (1, 5, True)


def test_a_body_of_several_requests() -> None:
    raw = json.dumps({"requests": [json.loads(one()), json.loads(one(query="r"))]})
    body = parse_body(raw.encode(), LIMITS)
    assert isinstance(body, ScoreRequests)
    assert [request.query for request in requests_of(body)] == ["q", "r"]


@pytest.mark.parametrize(
    "text",
    [
        "\u0000a\u0007\u001b",
        "👟👟🏽‍♀️",
        "حذاء رياضي أحمر",
        "\u202etxet\u202c",
        "é" * 10,
        "﷽",
        "a\nb\tc",
        "\ufeffx",
        "\uffff",
    ],
)
def test_strange_text_is_text(text: str) -> None:
    body = parse_body(one(query=text, candidates=[text, {"title": text}]).encode(), LIMITS)
    assert requests_of(body)[0].query == text


INVALID = [
    (one(candidates=["a", 42]), "candidates[1]", "must be a string or a product object"),
    (one(candidates=["a", None]), "candidates[1]", "must be a string or a product object"),
    (one(candidates=[["a"]]), "candidates[0]", "must be a string or a product object"),
    (one(candidates=None), "candidates", "must be an array"),
    (one(candidates={}), "candidates", "must be an array"),
    (one(query=None), "query", "must be a string"),
    (one(query=["q"]), "query", "must be a string"),
    ('{"candidates": ["a"]}', "query", "is required"),
    ('{"query": "q"}', "candidates", "is required"),
    (one(extra=1), "extra", "is not a known field"),
    (one(candidates=[""]), "candidates[0].title", "must not be empty"),
    (one(candidates=["a", "  "]), "candidates[1].title", "must not be blank"),
    (candidate(title="\n"), "candidates[1].title", "must not be blank"),
    (candidate(title="\u00ad\u200b"), "candidates[1].title", "must not be blank"),
    (candidate(title=None), "candidates[1].title", "must be a string"),
    (candidate(title=5), "candidates[1].title", "must be a string"),
    (candidate(brand="b"), "candidates[1].title", "is required"),
    (candidate(title="t", brand=7), "candidates[1].brand", "must be a string"),
    (candidate(title="t", price=7), "candidates[1].price", "is not a known field"),
    (candidate(title="t", prior="1"), "candidates[1].prior", "must be a number"),
    (candidate(title="t", attributes={"w": None}), "candidates[1].attributes.w", "must be a string, true, false"),
    (candidate(title="t", attributes={"w": [1]}), "candidates[1].attributes.w", "must be a string, true, false"),
    (candidate(title="t", attributes=[1]), "candidates[1].attributes", "must be"),
    (one(top_k=0), "top_k", "must be greater than or equal to 1"),
    (one(top_k=1.5), "top_k", "must be an integer"),
    (one(top_k="1"), "top_k", "must be an integer"),
    (one(top_k=True), "top_k", "must be an integer"),
    (one(deadline_ms=0), "deadline_ms", "must be greater than 0"),
    (one(deadline_ms=-1), "deadline_ms", "must be greater than 0"),
    (one(deadline_ms="5"), "deadline_ms", "must be a number"),
    (one(deadline_ms=1e9), "deadline_ms", "must be less than or equal to 3600000"),
    (one(debug="yes"), "debug", "must be true or false"),
    (one(debug=1), "debug", "must be true or false"),
    ("[]", "body", "must be a JSON object"),
    ("5", "body", "must be a JSON object"),
    ('"text"', "body", "must be a JSON object"),
    ("", "body", "must be valid JSON"),
    ("{", "body", "must be valid JSON"),
    ('{"query": "q", }', "body", "must be valid JSON"),
    ('{"query": "\x01", "candidates": ["a"]}', "body", "must be valid JSON"),
    (b'{"query": "\xff", "candidates": ["a"]}', "body", "must be valid JSON"),
    ("[" * 100_000, "body", "must be valid JSON"),
    ("[" * 900 + "]" * 900, "body", "must be valid JSON"),
    (one(candidates=["a", "\ud800"]), "candidates[1]", "must be valid Unicode"),
    (candidate(title="x\udfff"), "candidates[1].title", "must be valid Unicode"),
    (candidate(title="t", **{"\ud800": 1}), "candidates[1]", "has a field name that is not valid Unicode"),
    (one(query="\ud83d"), "query", "must be valid Unicode"),
    (one(deadline_ms=float("nan")), "deadline_ms", "must be a"),
    (one(deadline_ms=float("inf")), "deadline_ms", "must be a finite number"),
    (candidate(title="t", prior=float("nan")), "candidates[1].prior", "must be a finite number"),
    (candidate(title="t", prior=float("-inf")), "candidates[1].prior", "must be a finite number"),
    (
        '{"query": "q", "candidates": [{"title": "t", "prior": 1e999}]}',
        "candidates[0].prior",
        "must be a finite number",
    ),
    (candidate(title="t", attributes={"w": float("nan")}), "candidates[1].attributes.w", "must be a"),
    ('{"requests": [{"query": "q", "candidates": ["a"]}, {"query": 1}]}', "requests[1].query", "must be a string"),
    ('{"requests": [{"query": "q", "candidates": ["a"]}], "query": "q"}', "query", "is not a known field"),
    ('{"requests": {}}', "requests", "must be an array"),
    ('{"requests": [{"requests": []}]}', "requests[0].requests", "is not a known field"),
]


@pytest.mark.parametrize(("raw", "field", "message"), INVALID)
def test_what_is_wrong_is_named_by_field_and_index(raw: bytes | str, field: str, message: str) -> None:
    error = refusal(raw)
    assert isinstance(error, InvalidInputError)
    assert fields(error)[field].startswith(message)
    assert error.detail


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (one(query=""), "query"),
        (one(query=" \t\n\u00a0\u3000"), "query"),
        (one(candidates=[]), "candidates"),
        ('{"requests": []}', "requests"),
        (
            '{"requests": [{"query": "q", "candidates": ["a"]}, {"query": "q", "candidates": []}]}',
            "requests[1].candidates",
        ),
        ('{"requests": [{"query": " ", "candidates": ["a"]}]}', "requests[0].query"),
        (one(query="\u200b\u0301", candidates=["a"]), "query"),
    ],
)
def test_nothing_to_score_is_named(raw: str, field: str) -> None:
    error = refusal(raw)
    assert isinstance(error, EmptyInputError)
    assert list(fields(error)) == [field]


def several(*counts: int) -> str:
    return json.dumps({"requests": [{"query": "q", "candidates": ["a"] * count} for count in counts]})


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (one(candidates=["a"] * 6), "has 6 candidates; the limit is 5"),
        (several(3, 3), "has 6 candidates; the limit is 5"),
        (one(query="x" * 101), "`query` is too long; the limit is 100 characters"),
        (one(candidates=["a", "x" * 101]), "`candidates[1].title` is too long"),
        (candidate(title="t", description="x" * 101), "`candidates[1].description` is too long"),
        (candidate(title="t", attributes={"w": "x" * 101}), "`candidates[1].attributes.w` is too long"),
        (candidate(title="t", attributes={"x" * 101: 1}), "`candidates[1].attributes` is too long"),
        (candidate(title="t", id="x" * 101), "`candidates[1].id` is too long"),
    ],
)
def test_too_much_is_refused_with_the_limit(raw: str, told: str) -> None:
    error = refusal(raw)
    assert isinstance(error, TooLargeError)
    assert told in error.detail


def test_exactly_the_limits_is_fine() -> None:
    body = parse_body(one(query="x" * 100, candidates=["x" * 100] * 5).encode(), LIMITS)
    assert len(requests_of(body)[0].candidates) == 5
    assert len(requests_of(parse_body(several(2, 3).encode(), LIMITS))) == 2


def test_every_faulty_field_is_told_up_to_a_number() -> None:
    assert list(fields(refusal(one(query=1, top_k=0, debug=2)))) == ["query", "top_k", "debug"]
    error = refusal(one(candidates=[1] * 1000))
    assert len(error.errors) == MAX_ERRORS_TOLD
    assert "(and 999 more)" in error.detail


def test_names_of_unknown_fields_are_cut_and_made_printable() -> None:
    (field,) = fields(refusal(one(**{"x\u001b[31m" + "y" * 1000: 1})))
    assert field.startswith("x?[31m")
    assert len(field) == 64


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), st.lists, max_leaves=10))
def test_whatever_comes_in_the_value_is_never_repeated(value: object) -> None:
    secret = "s3cr3t-value"
    error = refusal(
        json.dumps({"query": {"a": secret}, "candidates": [secret, value, {"title": [secret]}], "top_k": secret})
    )
    assert secret not in error.detail + str(error.errors)


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        parse_body(raw, LIMITS)
    except ServiceError as error:
        assert error.status in (400, 413, 422)


def test_the_deadline_header_is_a_number_as_in_the_body() -> None:
    assert parse_deadline([]) is None
    assert [parse_deadline([value]) for value in ("50", " 12.5 ", "1e3", "3600000")] == [50, 12.5, 1000, 3_600_000]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["soon"], "must be a number"),
        ([""], "must be a number"),
        (["50ms"], "must be a number"),
        (["50", "60"], "must be a number"),
        (['"50"'], "must be a number"),
        (["true"], "must be a number"),
        (["0"], "must be greater than 0"),
        (["-1"], "must be greater than 0"),
        (["3600001"], "must be less than or equal to 3600000"),
        (["1e999"], "must be a finite number"),
        (["NaN"], "must be a finite number"),
    ],
)
def test_a_deadline_header_that_is_none_is_refused_by_name(values: list[str], message: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_deadline(values)
    assert fields(refused.value) == {"x-deadline-ms": message}
    assert refused.value.detail == f"`x-deadline-ms` {message}."


@given(st.text(max_size=20))
def test_any_deadline_header_is_within_the_bounds_or_refused(value: str) -> None:
    try:
        deadline = parse_deadline([value])
    except InvalidInputError:
        return
    assert deadline is not None
    assert 0 < deadline <= 3_600_000
