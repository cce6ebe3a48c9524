from __future__ import annotations

import json

import pytest

from service import errors
from service.errors import FieldError, ServiceError, error_response, http_error_response, unexpected_error_response
from service.logs import request_id_var

TABLE = [
    (errors.EmptyInputError("d"), 400, "empty_input"),
    (errors.MalformedRequestError("d"), 400, "malformed_request"),
    (errors.UnauthorizedError("d"), 401, "unauthorized"),
    (errors.SlowClientError("d"), 408, "slow_client"),
    (errors.TooLargeError("d"), 413, "too_large"),
    (errors.InvalidInputError("d"), 422, "invalid_input"),
    (errors.OverloadedError("d", 0.2), 429, "overloaded"),
    (errors.HeadTooLargeError("d"), 431, "head_too_large"),
    (errors.CompressedBodyError("d"), 415, "compressed_body"),
    (errors.ClientGoneError("d"), 499, "client_gone"),
    (errors.InferenceError("d"), 500, "inference_failed"),
    (errors.EngineDeadError("d"), 500, "engine_dead"),
    (errors.NotReadyError("d"), 503, "not_ready"),
    (errors.GpuLostError("d"), 503, "gpu_lost"),
    (errors.DrainingError("d"), 503, "draining"),
    (errors.TooManyConnectionsError("d"), 503, "too_many_connections"),
    (errors.DeadlineExceededError("d"), 504, "deadline_exceeded"),
]


@pytest.mark.parametrize(("error", "status", "code"), TABLE, ids=lambda value: str(getattr(value, "code", value)))
def test_status_and_code_are_the_contract(error: ServiceError, status: int, code: str) -> None:
    response = error_response(error)
    body = json.loads(bytes(response.body))
    assert response.status_code == body["status"] == status
    assert body["code"] == code
    assert body["detail"] == "d"
    assert response.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "detail", "code", "request_id"}


def test_the_table_has_every_error_of_the_tree() -> None:
    assert {type(error) for error, _, _ in TABLE} == set(ServiceError.__subclasses__())


def test_the_tree_at_the_head_of_the_file_is_the_tree() -> None:
    assert errors.__doc__ is not None
    for error, status, code in TABLE:
        (line,) = [line for line in errors.__doc__.splitlines() if f" {type(error).__name__} " in line]
        assert line.split()[2:4] == [str(status), code]


def test_field_errors_are_named() -> None:
    error = errors.InvalidInputError("d", [FieldError("candidates[3].title", "is required")])
    body = json.loads(bytes(error_response(error).body))
    assert body["errors"] == [{"field": "candidates[3].title", "message": "is required"}]


@pytest.mark.parametrize(("wait", "told"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (59.5, "60")])
def test_retry_after_is_a_whole_second_and_at_least_one(wait: float, told: str) -> None:
    assert error_response(errors.OverloadedError("d", wait)).headers["retry-after"] == told


def test_an_unauthorized_reply_names_the_scheme() -> None:
    assert error_response(errors.UnauthorizedError("d")).headers["www-authenticate"] == "Bearer"


def test_a_draining_reply_ends_the_connection() -> None:
    assert error_response(errors.DrainingError("d")).headers["connection"] == "close"


@pytest.mark.parametrize(
    ("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (503, "service_unavailable")]
)
def test_the_routers_refusals_are_problems_too(status: int, code: str) -> None:
    response = http_error_response(status, {"allow": "POST"})
    assert json.loads(bytes(response.body))["code"] == code
    assert response.headers["allow"] == "POST"


def test_the_unexpected_says_nothing_of_the_inside() -> None:
    body = json.loads(bytes(unexpected_error_response().body))
    assert (body["status"], body["code"]) == (500, "internal")


def test_the_request_id_is_carried() -> None:
    token = request_id_var.set("abc")
    try:
        assert json.loads(bytes(error_response(errors.NotReadyError("d")).body))["request_id"] == "abc"
    finally:
        request_id_var.reset(token)


def test_the_last_reply_of_a_connection_says_so() -> None:
    said = {type(error) for error, _, _ in TABLE if error_response(error).headers.get("connection") == "close"}
    assert said == {type(error) for error, _, _ in TABLE if error.ends_connection}
    assert {error.code for error in said} == {
        "malformed_request",
        "slow_client",
        "head_too_large",
        "draining",
        "too_many_connections",
    }
