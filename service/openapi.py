"""What FastAPI cannot see by itself: the bodies of the scoring routes, which it does not parse, and their replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import PROBLEM_MEDIA_TYPE
from service.rerank.examples import EXAMPLES as RERANK_EXAMPLES
from service.rerank.replies import RankedText, RerankRefusal, RerankReply, VoyageReply
from service.rerank.schemas import DocumentsRequest, TextsRequest, VoyageRequest
from service.schemas import DEADLINE_MS, Problem, ScoreRequest, ScoreRequests
from service.validation import DEADLINE_HEADER

READ: Sequence[type[BaseModel]] = (ScoreRequest, ScoreRequests, DocumentsRequest, TextsRequest, VoyageRequest)
WRITTEN: Sequence[type[BaseModel]] = (Problem, RankedText, RerankReply, VoyageReply, RerankRefusal)
"""Models that routes read and write by themselves, so that FastAPI does not see them."""

_REF = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _problems(descriptions: dict[int, str]) -> Responses:
    content = {PROBLEM_MEDIA_TYPE: {"schema": _ref(Problem)}}
    return {status: {"description": text, "content": content} for status, text in descriptions.items()}


_TIMING_HEADERS = {
    f"x-aisle-{stage}-ms": {"description": f"`timing_ms.{stage}`", "schema": {"type": "number"}}
    for stage in ("tokenize", "queue", "inference", "total")
}

SCORE_RESPONSES: Responses = {
    200: {"description": "Scores, in request order or the best `top_k`.", "headers": _TIMING_HEADERS},
    **_problems(
        {
            400: "Nothing to score: a blank query or no candidates.",
            401: "No API key, or an unknown one.",
            408: "The body did not arrive in time.",
            413: "Over a limit, which the detail states.",
            415: "The body is compressed.",
            422: "Not valid; `errors` names each field.",
            429: "No room, or no time for this deadline; `Retry-After` is the predicted wait in seconds.",
            500: "The model failed on this request.",
            503: "Draining, not ready, or the GPU is lost.",
            504: "The deadline passed before anything was scored.",
        }
    ),
}

_DEGRADED_HEADERS = {
    "x-aisle-degraded": {"description": "Whether a deadline left documents unscored.", "schema": {"type": "string"}},
    "x-aisle-truncated": {"description": "How many documents were cut.", "schema": {"type": "string"}},
    "x-aisle-warnings": {"description": "What was sent and has no effect.", "schema": {"type": "string"}},
}


def rerank_responses(path: str) -> Responses:
    """The replies of a rerank route: objects, arrays, or (on `/rerank`, by the list's name) either."""
    array = {"type": "array", "items": _ref(RankedText)}
    named = {"/rerank": [array, _ref(RerankReply)], "/tei/rerank": [array], "/voyage/v1/rerank": [_ref(VoyageReply)]}
    shapes = named.get(path, [_ref(RerankReply)])
    responses: Responses = {
        status: {"description": told["description"], "content": _json(_ref(RerankRefusal))}
        for status, told in SCORE_RESPONSES.items()
    }
    headers = {**_TIMING_HEADERS, **_DEGRADED_HEADERS}
    return {**responses, 200: {"description": "Best first.", "headers": headers, "content": _json({"anyOf": shapes})}}


def rerank_body(path: str, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The request body of a rerank route, which it reads itself, as one of `models`, and the deadline's header."""
    content = _json({"anyOf": [_ref(model) for model in models]}, examples=RERANK_EXAMPLES[path])
    return {"parameters": SCORE_HEADERS, "requestBody": {"required": True, "content": content}}


def _json(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema, **more}}


HEALTH_RESPONSES: Responses = _problems({503: "Draining, the engine does not run or hangs, or its queue is full."})

SCORE_HEADERS: list[dict[str, Any]] = [
    {
        "name": DEADLINE_HEADER,
        "in": "header",
        "required": False,
        "description": "As `deadline_ms`, for the requests of the body that name none.",
        "schema": DEADLINE_MS.json_schema(),
    }
]

EXAMPLES: dict[str, Any] = {
    "titles": {
        "summary": "Candidates as bare titles",
        "value": {
            "query": "red running shoes",
            "candidates": ["Trail running shoe, red, men's", "Leather office shoe, black", "Running socks, 3 pairs"],
        },
    },
    "products": {
        "summary": "Products, the best two, within 50 ms",
        "value": {
            "query": "red running shoes",
            "candidates": [
                {"id": "sku-1", "title": "Trail running shoe", "brand": "Fjell", "color": "red", "prior": 12.5},
                {"id": "sku-2", "title": "Office shoe", "attributes": {"material": "leather"}, "prior": 9.1},
                {"id": "sku-3", "title": "Running socks, 3 pairs", "prior": 3},
            ],
            "top_k": 2,
            "deadline_ms": 50,
        },
    },
    "several": {
        "summary": "Several queries in one body",
        "value": {
            "requests": [
                {"query": "red running shoes", "candidates": ["Trail running shoe, red"]},
                {"query": "desk lamp", "candidates": ["Lamp with clamp, black", "Desk, 120 cm"], "debug": True},
            ]
        },
    },
}


def install_openapi(app: FastAPI, with_keys: bool) -> None:
    """Make `app.openapi()` give the whole contract; `with_keys`: scoring asks for an API key."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
            if with_keys:
                _ask_for_keys(app.openapi_schema)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema(
        [(model, "validation") for model in READ] + [(model, "serialization") for model in WRITTEN], ref_template=_REF
    )
    document["components"]["schemas"].update(definitions["$defs"])
    content = _json({"anyOf": [_ref(ScoreRequest), _ref(ScoreRequests)]}, examples=EXAMPLES)
    document["paths"]["/score"]["post"] |= {
        "parameters": SCORE_HEADERS,
        "requestBody": {"required": True, "content": content},
    }
    return document


def _ask_for_keys(document: dict[str, Any]) -> None:
    """Say how a key is sent, for the routes that refuse without one."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            if "401" in operation["responses"]:
                operation["security"] = [{"bearer": []}, {"key": []}]
