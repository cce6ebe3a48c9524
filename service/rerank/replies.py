"""What the rerank routes answer, for the OpenAPI document: `writing.py` and `refusal.py` make it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Relevance = Annotated[float, Field(description="A calibrated probability, or a logit if `raw_scores` was true.")]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RankedText(_Reply):
    """An item of the array that TEI's clients get."""

    index: int
    score: Relevance
    text: Annotated[str | None, Field(description="If `return_text` was true.")] = None


class RankedDocument(_Reply):
    """An item of `results`."""

    index: int
    relevance_score: Relevance
    document: Annotated[
        dict[str, Any] | str | None,
        Field(description="If `return_documents` was true: with `text`; of Infinity and Voyage the text itself."),
    ] = None


class RerankUsage(_Reply):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class RerankReply(_Reply):
    """What Cohere's, Jina's, vLLM's and Infinity's clients get; version 2 of Cohere's without the last three."""

    id: str
    results: Annotated[list[RankedDocument], Field(description="Best first.")]
    meta: Annotated[dict[str, Any], Field(description="`warnings` names what has no effect; `aisle`: `degraded`, …")]
    model: str | None = None
    object: Annotated[Literal["list", "rerank"] | None, Field(description="Jina's, Infinity's.")] = None
    usage: RerankUsage | None = None


class VoyageReply(_Reply):
    """What Voyage's clients get."""

    id: str
    object: Literal["list"]
    data: Annotated[list[RankedDocument], Field(description="Best first.")]
    model: str
    usage: RerankUsage
    meta: dict[str, Any]


class RerankRefusal(_Reply):
    """In the words of every dialect: Cohere's `message`, Jina's `detail`, TEI's `error` and `error_type`."""

    id: str
    message: str
    detail: str
    error: str
    error_type: Literal["Empty", "Overloaded", "Backend", "Unhealthy", "Validation"]
    code: str
    errors: list[dict[str, str]]
