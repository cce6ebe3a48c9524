"""What FastAPI cannot see by itself: the body of `/score`, which it does not parse, and problem replies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from service.errors import PROBLEM_MEDIA_TYPE
from service.schemas import DEADLINE_MS, Problem, ScoreRequest, ScoreRequests
from service.validation import DEADLINE_HEADER

_REF = "#/components/schemas/{model}"

Responses = dict[int | str, dict[str, Any]]


def _problems(descriptions: dict[int, str]) -> Responses:
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": _REF.format(model=Problem.__name__)}}}
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
            422: "Not valid; `errors` names each field.",
            429: "Refused at the door; `Retry-After` is the predicted wait in seconds.",
            500: "The model failed on this request.",
            503: "Draining, not ready, or the GPU is lost.",
            504: "The deadline passed before anything was scored.",
        }
    ),
}

RERANK_RESPONSES: Responses = {
    status: {
        "description": told["description"],
        "content": {"application/json": {"schema": {"type": ["object", "array"]}}},
    }
    for status, told in SCORE_RESPONSES.items()
}
"""The dialects' replies are described by those who made them."""


def rerank_body(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    """The request body of a route that reads it itself, as one of `models`."""
    schemas = [model.model_json_schema() for model in models]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": schemas}}}}}


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


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` give the whole contract."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    _, definitions = models_json_schema(
        [(ScoreRequest, "validation"), (ScoreRequests, "validation"), (Problem, "serialization")], ref_template=_REF
    )
    document["components"]["schemas"].update(definitions["$defs"])
    body = {"anyOf": [{"$ref": _REF.format(model=model.__name__)} for model in (ScoreRequest, ScoreRequests)]}
    document["paths"]["/score"]["post"] |= {
        "parameters": SCORE_HEADERS,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body, "examples": EXAMPLES}}},
    }
    return document
