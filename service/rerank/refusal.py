"""A refusal in the words of all dialects at once, for each client looks for its own: with the service's own status."""

from __future__ import annotations

from typing import Final

import msgspec
from starlette.responses import Response

from service.errors import ServiceError
from service.logs import current_request_id

_TEI_TYPES: Final = {400: "Empty", 429: "Overloaded", 500: "Backend", 503: "Unhealthy", 504: "Overloaded"}
"""Text Embeddings Inference's names; of the others, `Validation`."""


def rerank_refusal(error: ServiceError) -> Response:
    """Cohere reads `message`, Jina `detail`, Text Embeddings Inference `error` and `error_type`."""
    content = {
        "id": current_request_id(),
        "message": error.detail,
        "detail": error.detail,
        "error": error.detail,
        "error_type": _TEI_TYPES.get(error.status, "Validation"),
        "code": error.code,
        "errors": [one._asdict() for one in error.errors],
    }
    return Response(msgspec.json.encode(content), error.status, error.headers, "application/json")
