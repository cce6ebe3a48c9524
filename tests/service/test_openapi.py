from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi import checks

from service.openapi import EXAMPLES
from service.rerank.examples import EXAMPLES as RERANK_EXAMPLES
from tests.service.app_client import AppClient
from tests.service.conftest import Serve

# `positive_data_acceptance` is left out: a blank query fits the schema and is refused with 400.
CHECKED = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]


@pytest.fixture
def document(client: AppClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_work(client: AppClient, name: str) -> None:
    # The one deadline among them is for a warm production model, not for a busy test machine.
    body = {**EXAMPLES[name]["value"]}
    if "deadline_ms" in body:
        body["deadline_ms"] = 60_000
    assert client.post("/score", json=body).status_code == 200


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert references <= set(document["components"]["schemas"])
    assert {"ScoreRequest", "ScoreRequests", "Problem", "Product"} <= references


def test_every_refusal_is_documented(document: dict[str, Any]) -> None:
    responses = document["paths"]["/score"]["post"]["responses"]
    assert set(responses) == {"200", "400", "401", "408", "413", "415", "422", "429", "500", "503", "504"}
    assert all("application/problem+json" in responses[status]["content"] for status in set(responses) - {"200"})


def test_the_deadline_header_has_the_bounds_of_the_field(document: dict[str, Any]) -> None:
    (header,) = document["paths"]["/score"]["post"]["parameters"]
    field = document["components"]["schemas"]["ScoreRequest"]["properties"]["deadline_ms"]["anyOf"][0]
    assert (header["name"], header["in"], header["required"]) == ("x-deadline-ms", "header", False)
    assert header["schema"] == field


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_service_does_what_its_document_says(
    client: AppClient, document: dict[str, Any], mode: GenerationMode
) -> None:
    operation = schemathesis.openapi.from_dict(document)["/score"]["POST"]

    @settings(max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def run(case: schemathesis.Case[Any]) -> None:
        assume(case.body is not NOT_SET)
        raw = case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode()
        reply = client.post("/score", content=raw, headers=dict(case.headers or {}))
        assert reply.status_code != 500
        # Generated deadlines may be shorter than anything can be scored in.
        if reply.status_code != 504:
            case.validate_response(reply, checks=CHECKED)

    run()


@pytest.mark.parametrize("path", RERANK_EXAMPLES)
def test_the_examples_of_the_rerank_routes_work_and_are_shown(
    client: AppClient, document: dict[str, Any], path: str
) -> None:
    operation = document["paths"][path]["post"]
    shown = operation["requestBody"]["content"]["application/json"]["examples"]
    assert shown == RERANK_EXAMPLES[path]
    for example in shown.values():
        reply = client.post(path, json=example["value"])
        assert reply.status_code == 200
        assert "x-aisle-warnings" not in reply.headers


@pytest.mark.parametrize("path", RERANK_EXAMPLES)
def test_the_rerank_routes_take_whatever_fits_their_schema(
    client: AppClient, document: dict[str, Any], path: str
) -> None:
    operation = schemathesis.openapi.from_dict(document)[path]["POST"]
    found = [checks.status_code_conformance, checks.content_type_conformance, checks.response_schema_conformance]

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def run(case: schemathesis.Case[Any]) -> None:
        reply = client.post(path, content=json.dumps(case.body).encode())
        # What fits may yet be blank, or hold objects that are neither a text nor a product.
        assert reply.status_code in {200, 400, 422}
        case.validate_response(reply, checks=found)

    run()


def test_keys_are_asked_for_where_there_are_some(serve: Serve) -> None:
    document = serve(api_keys="secret").get("/openapi.json").json()
    asking = {path for path, operations in document["paths"].items() if "security" in next(iter(operations.values()))}
    assert {"/score", "/v2/rerank", "/tei/rerank"} <= asking
    assert not {"/livez", "/metrics", "/info"} & asking
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
