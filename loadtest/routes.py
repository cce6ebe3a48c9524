"""The routes that a load may ask: how a body of `/score` is written for each, and how its reply is read.

Products go to the Cohere and Jina routes as they are. Text Embeddings Inference knows texts alone: it gets the titles.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from loadtest.faults import NOT_SCORES
from loadtest.inspection import Inspect, Inspection, inspect_score
from loadtest.systems import Aisle, Call
from loadtest.workload import Body

RouteName = Literal["score", "cohere", "jina", "tei"]


@dataclass(frozen=True, slots=True)
class Route:
    """One of them."""

    path: str
    call: Callable[[Body], Call]
    inspect: Inspect


def _documents(body: Body) -> Call:
    documents = body["candidates"]
    content = {"model": "any", "query": body["query"], "documents": documents}
    return Call(json.dumps(content).encode(), len(documents))


def _texts(body: Body) -> Call:
    texts = [candidate if isinstance(candidate, str) else candidate["title"] for candidate in body["candidates"]]
    return Call(json.dumps({"query": body["query"], "texts": texts}).encode(), len(texts))


def inspect_results(reply: bytes, pairs: int) -> Inspection:
    """As `inspect_score`, of Cohere's and Jina's replies."""
    try:
        parsed: Mapping[str, Any] = json.loads(reply)
        complete = {result["index"] for result in parsed["results"]} == set(range(pairs))
        return Inspection("" if complete else NOT_SCORES, bool(parsed["meta"]["aisle"]["degraded"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return Inspection(NOT_SCORES, False)


def inspect_array(reply: bytes, pairs: int) -> Inspection:
    """As `inspect_score`, of TEI's replies, whose header tells whether they are degraded."""
    try:
        complete = {item["index"] for item in json.loads(reply)} == set(range(pairs))
        return Inspection("" if complete else NOT_SCORES, False)
    except (ValueError, KeyError, TypeError, RecursionError):
        return Inspection(NOT_SCORES, False)


ROUTES: Mapping[RouteName, Route] = {
    "score": Route(Aisle().path, Aisle().call, inspect_score),
    "cohere": Route("/v2/rerank", _documents, inspect_results),
    "jina": Route("/v1/rerank", _documents, inspect_results),
    "tei": Route("/rerank", _texts, inspect_array),
}
