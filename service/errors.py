"""Every way a request can fail, and the one place that turns a failure into a reply.

    ServiceError                      status  code
    ├── EmptyInputError               400     empty_input
    ├── MalformedRequestError         400     malformed_request   no HTTP
    ├── UnauthorizedError             401     unauthorized
    ├── SlowClientError               408     slow_client         took too long to send
    ├── TooLargeError                 413     too_large
    ├── CompressedBodyError           415     compressed_body
    ├── InvalidInputError             422     invalid_input
    ├── OverloadedError               429     overloaded          carries Retry-After
    ├── HeadTooLargeError             431     head_too_large
    ├── ClientGoneError               499     client_gone         nobody reads it; for the log and the metrics
    ├── InferenceError                500     inference_failed    the model failed on this request's pairs
    ├── EngineDeadError               500     engine_dead         the batching loop has ended; readiness is off
    ├── NotReadyError                 503     not_ready
    ├── GpuLostError                  503     gpu_lost            this replica needs a restart; ask another
    ├── DrainingError                 503     draining            shutting down; ask another replica
    ├── TooManyConnectionsError       503     too_many_connections
    └── DeadlineExceededError         504     deadline_exceeded

    ServiceError itself               500     internal            our code raised what it should not have
    the router's own refusals         404     not_found
                                      405     method_not_allowed

    StartupError                      the process does not start; never seen by a client
    ├── SettingsError
    └── BackendError
        └── ProviderError             another provider may start, where settings allow one
            └── GpuFailedError

    BatchError                        a micro-batch failed; the batcher turns it into an InferenceError
    ├── BatchTimeoutError
    ├── WorkerDiedError
    └── DeviceLostError               no other can run either: every request is refused from now on

A reply is RFC 9457 problem JSON: type, title, status, detail, code, request_id, and for 422 `errors`.
It names fields and limits and never repeats what the client sent as a value. A single candidate's `error`, in a reply
that is none: `service/pair.py`.
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
    ends_connection: ClassVar[bool] = False
    """Whether the reply is the last on its connection."""

    def __init__(self, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors

    @property
    def headers(self) -> dict[str, str]:
        """Reply headers that belong to this kind of failure."""
        return {"connection": "close"} if self.ends_connection else {}


class EmptyInputError(ServiceError):
    """There is nothing to score: no query or no candidates."""

    status = 400
    code = "empty_input"


class MalformedRequestError(ServiceError):
    """Not HTTP, or cut off in its middle."""

    status = 400
    code = "malformed_request"
    ends_connection = True


class UnauthorizedError(ServiceError):
    """No API key, or an unknown one."""

    status = 401
    code = "unauthorized"

    @property
    def headers(self) -> dict[str, str]:
        return {"www-authenticate": "Bearer"}


class SlowClientError(ServiceError):
    """The request did not arrive in time; the detail states the limit."""

    status = 408
    code = "slow_client"
    ends_connection = True


class TooLargeError(ServiceError):
    """Over a limit; the detail states the limit."""

    status = 413
    code = "too_large"


class CompressedBodyError(ServiceError):
    """The body has a content coding."""

    status = 415
    code = "compressed_body"

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "accept-encoding": "identity"}


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


class HeadTooLargeError(ServiceError):
    """The request line and headers are over a limit, which the detail states."""

    status = 431
    code = "head_too_large"
    ends_connection = True


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


class GpuLostError(ServiceError):
    """The GPU does not answer this process any more; only a restart brings it back."""

    status = 503
    code = "gpu_lost"


class DrainingError(ServiceError):
    """The service is shutting down and takes no new requests."""

    status = 503
    code = "draining"
    # So that the client's next try reaches another replica.
    ends_connection = True

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "retry-after": "1"}


class TooManyConnectionsError(ServiceError):
    """All connections that the process can hold are open."""

    status = 503
    code = "too_many_connections"
    ends_connection = True

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "retry-after": "1"}


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


class ProviderError(BackendError):
    """What the model was to run on does not start; the graph itself may be good."""


class GpuFailedError(ProviderError):
    """It does not start although the machine has a GPU: that is full, or it or its driver fails."""


class BatchError(Exception):
    """A micro-batch gave no logits; the message is for the log."""


class BatchTimeoutError(BatchError):
    """It took longer than it may."""


class WorkerDiedError(BatchError):
    """The thread that ran it was ended."""


class DeviceLostError(BatchError):
    """The device that ran it is lost to this process."""


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
