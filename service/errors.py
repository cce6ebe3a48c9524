"""Every way a request can fail, and the one place that turns a failure into a reply.

    ServiceError                      status  code
    ├── EmptyInputError               400     empty_input
    ├── UnauthorizedError             401     unauthorized
    ├── TooLargeError                 413     too_large
    ├── InvalidInputError             422     invalid_input
    ├── OverloadedError               429     overloaded          carries Retry-After
    ├── ClientGoneError               499     client_gone         nobody reads it; for the log and the metrics
    ├── InferenceError                500     inference_failed    the model failed on this request's pairs
    ├── EngineDeadError               500     engine_dead         the batching loop has ended; readiness is off
    ├── NotReadyError                 503     not_ready
    ├── DrainingError                 503     draining            shutting down; ask another replica
    └── DeadlineExceededError         504     deadline_exceeded

    StartupError                      the process does not start; never seen by a client
    ├── SettingsError
    └── BackendError

    BatchError                        a micro-batch failed; the batcher turns it into an InferenceError
    ├── BatchTimeoutError
    └── WorkerDiedError

A reply is RFC 9457 problem JSON: type, title, status, detail, code, request_id, and for 422 `errors`.
It names fields and limits and never repeats what the client sent as a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, NamedTuple

from pydantic_core import to_json
from starlette.responses import Response

from service.logs import current_request_id

PROBLEM_MEDIA_TYPE = "application/problem+json"


class FieldError(NamedTuple):
    """What is wrong with one field; `field` is a path such as `candidates[3].title`."""

    field: str
    message: str


class ServiceError(Exception):
    """A request that cannot be answered; `detail` is written for the caller."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors

    @property
    def headers(self) -> dict[str, str]:
        """Reply headers that belong to this kind of failure."""
        return {}


class EmptyInputError(ServiceError):
    """There is nothing to score: no query or no candidates."""

    status = 400
    code = "empty_input"


class UnauthorizedError(ServiceError):
    """No API key, or an unknown one."""

    status = 401
    code = "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class TooLargeError(ServiceError):
    """Over a limit; the detail states the limit."""

    status = 413
    code = "too_large"


class InvalidInputError(ServiceError):
    """Not what the contract asks for; `errors` names each field."""

    status = 422
    code = "invalid_input"


class OverloadedError(ServiceError):
    """Refused at the door. `retry_after` is the predicted wait in seconds, told rounded up and at least 1."""

    status = 429
    code = "overloaded"

    def __init__(self, detail: str, retry_after: float) -> None:
        super().__init__(detail)
        self.retry_after = max(1, math.ceil(retry_after))

    @property
    def headers(self) -> dict[str, str]:
        return {"retry-after": str(self.retry_after)}


class ClientGoneError(ServiceError):
    """The client closed the connection before the answer."""

    status = 499
    code = "client_gone"


class InferenceError(ServiceError):
    """The model raised, or gave something that is no finite number, for this request's pairs."""

    code = "inference_failed"


class EngineDeadError(ServiceError):
    """The batching loop has ended, which is a bug; the process wants a restart."""

    code = "engine_dead"


class NotReadyError(ServiceError):
    """The service cannot take requests."""

    status = 503
    code = "not_ready"


class DrainingError(ServiceError):
    """The service is shutting down and takes no new requests."""

    status = 503
    code = "draining"

    @property
    def headers(self) -> dict[str, str]:
        # The connection ends too, so that the client's next try reaches another replica.
        return {"retry-after": "1", "connection": "close"}


class DeadlineExceededError(ServiceError):
    """The deadline passed before a single pair was scored."""

    status = 504
    code = "deadline_exceeded"


class StartupError(Exception):
    """The process cannot start; the message is the one line that the operator reads."""


class SettingsError(StartupError):
    """A setting is unknown, malformed, or impossible together with another."""


class BackendError(StartupError):
    """The model cannot be loaded or does not compute what it should."""


class BatchError(Exception):
    """A micro-batch gave no logits; the message is for the log."""


class BatchTimeoutError(BatchError):
    """It took longer than it may."""


class WorkerDiedError(BatchError):
    """The thread that ran it was ended."""


def error_response(error: ServiceError) -> Response:
    """The reply for `error`."""
    return _problem(error.status, error.code, error, error.headers)


def http_error_response(status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The reply for what the router refuses by itself: 404, 405 and their like."""
    phrase = HTTPStatus(status).phrase
    return _problem(status, phrase.lower().replace(" ", "_"), ServiceError(phrase), headers)


def unexpected_error_response() -> Response:
    """The reply when our code raised what it should not have; the log has the traceback."""
    return error_response(ServiceError("An internal error occurred; the server's log has it under this request id."))


def _problem(status: int, code: str, error: ServiceError, headers: Mapping[str, str] | None) -> Response:
    body: dict[str, object] = {
        "type": f"urn:aisle:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "code": code,
        "request_id": current_request_id(),
    }
    if error.errors:
        body["errors"] = [field_error._asdict() for field_error in error.errors]
    return Response(to_json(body), status, headers, PROBLEM_MEDIA_TYPE)
