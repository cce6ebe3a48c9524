from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.pair_encoding import EncodedText
from relevance.template import FieldBudget, Template
from service.candidate_cache import CandidateCache
from service.errors import ServiceError
from service.reading import BodyReader
from service.request import Body
from service.validation import Limits

TEMPLATE = Template(
    query_max_tokens=4, fields=(FieldBudget(field="title", max_tokens=9), FieldBudget(field="brand", max_tokens=9))
)
LIMITS = Limits(candidates=5, text_chars=60, catalogue=True)
PLAIN = BodyReader(LIMITS, TEMPLATE)

values = st.none() | st.booleans() | st.integers(-2, 2) | st.floats(allow_nan=False) | st.text(max_size=4)
titles = st.sampled_from(["lamp", "lämpchen 灯", 'a "quoted" one', "tab\tand \u2028", "😀", " ", "", "x" * 70])
products = st.fixed_dictionaries(
    {"title": titles},
    optional={
        "id": st.sampled_from(["a", "b", ""]),
        "prior": st.sampled_from([1, 2.5, None]),
        "brand": titles,
        "attributes": st.dictionaries(st.sampled_from(["k", "l"]), values, max_size=2),
        "colour": values,
    },
)
candidates = titles | products | st.fixed_dictionaries({"id": st.sampled_from(["a", "b", ""])}) | values
bodies = st.fixed_dictionaries(
    {},
    optional={
        "query": st.sampled_from(["red", " ", "x" * 70]) | values,
        "candidates": st.lists(candidates, max_size=6) | values,
        "top_k": values,
        "deadline_ms": values,
        "priority": values,
        "debug": values,
        "requests": values,
        "other": values,
    },
)
likely = st.fixed_dictionaries(
    {"query": st.just("red"), "candidates": st.lists(titles.filter(str.strip) | products, min_size=1, max_size=6)},
    optional={"top_k": st.integers(1, 3), "debug": st.booleans(), "deadline_ms": st.sampled_from([5, 7.5, None])},
)
writers = st.sampled_from(
    [json.dumps, lambda body: json.dumps(body, ensure_ascii=False), lambda body: json.dumps(body, indent=1)]
)


def told(reader: BodyReader, raw: bytes) -> Any:
    """What comes of a body: its requests, each text as remembered, or the error in full."""
    try:
        body = reader.read(raw)
    except ServiceError as error:
        return type(error), vars(error)
    return body.several, [_request(body, row) for row in range(len(body.requests))]


def _request(body: Body, row: int) -> Any:
    request = body.requests[row]
    options = (request.query, request.top_k, request.deadline_ms, request.priority, request.debug)
    return options, [(one.id, one.prior, one.guess, one.by_id) for one in request.candidates]


def remember(reader: BodyReader, cache: CandidateCache, raw: bytes) -> None:
    """What tokenising does."""
    try:
        body = reader.read(raw)
    except ServiceError:
        return
    for candidate in (one for request in body.requests for one in request.candidates):
        if candidate.product is not None:
            candidate.text = EncodedText((1,))
        cache.put([candidate])


@given(st.lists(st.tuples(bodies | likely, writers), min_size=1, max_size=6))
def test_a_body_reads_the_same_whatever_is_remembered(sent: list[tuple[Any, Any]]) -> None:
    cache = CandidateCache(100_000)
    reader = BodyReader(LIMITS, TEMPLATE, cache)
    for body, write in [*sent, *sent]:
        raw = write(body).encode()
        assert told(reader, raw) == told(PLAIN, raw)
        remember(reader, cache, raw)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"query": "red", "candidates": ["lamp", "b\xff"]}',
        b'{"query": "red", "candidates": ["lamp", "\\ud800"]}',
        b'{"query": "\\ud800", "candidates": ["lamp"]}',
        b'{"query": "r\xff", "candidates": ["lamp"]}',
        b'{"query": "red", "candidates": [' + b"[" * 2000 + b"]" * 2000 + b"]}",
        b'{"query": "red", "candidates": ["lamp"], "priority": 1.0}',
        b'{"query": "red", "candidates": ["lamp"], "top_k": 99999999999999999999}',
        b'{"query": "red", "candidates": ["lamp"], "deadline_ms": NaN}',
        b'{"query": "red", "candidates": ["lamp"], "deadline_ms": true}',
        b'{"query": "red", "candidates": ["lamp"], "query": "blue"}',
        b'{"query": "red", "candidates": ["lamp"], "candidates": ["lamp", {"title": "\\u006camp"}]}',
        b'{"query": "red", "c\\u0061ndidates": ["lamp"]}',
        b'{"query": "red", "candidates": ["lamp",]}',
        b'{"query": "red", "candidates": ["lamp"]} ',
        b'{"query": "red", "candidates": ["lamp"]} x',
        b'\xef\xbb\xbf{"query": "red", "candidates": ["lamp"]}',
        b'{"requests": [{"query": "red", "candidates": ["lamp"]}]}',
        b"[]",
        b"",
    ],
)
def test_what_parsers_may_differ_in_is_decided_by_the_one_that_words_errors(raw: bytes) -> None:
    cache = CandidateCache(100_000)
    reader = BodyReader(LIMITS, TEMPLATE, cache)
    for known in (b'{"query": "red", "candidates": ["lamp"]}', raw):
        remember(reader, cache, known)
    assert told(reader, raw) == told(PLAIN, raw)


def test_a_known_candidate_is_not_parsed_again_and_a_new_one_is() -> None:
    cache = CandidateCache(100_000)
    reader = BodyReader(LIMITS, TEMPLATE, cache)
    raw = b'{"query": "red", "candidates": ["lamp", {"id": "a"}, {"title": "lamp", "prior": 2}]}'
    assert [one.new for one in reader.read(raw).requests[0].candidates] == [True, True, True]
    remember(reader, cache, raw)
    (request,) = reader.read(raw.replace(b'"lamp",', b'"desk", "lamp",', 1)).requests
    assert [one.new for one in request.candidates] == [True, False, False, False]
    assert request.candidates[0].product is not None
    assert request.candidates[0].product.title == "desk"
    assert [one.prior for one in request.candidates] == [None, None, None, 2.0]
