"""Requests in the words of other servers. Fields that are not known are taken, and told in the reply.

Sources: the API references of Cohere (rerank, versions 1 and 2), Jina, Voyage, and Text Embeddings Inference.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.rerank.documents import Document
from service.schemas import LOWEST_PRIORITY

Unused = Field(description="Has no effect, which the reply tells: the model's template decides what is read.")


class RerankRequest(BaseModel):
    """What all dialects have."""

    model_config = ConfigDict(extra="allow", strict=True)

    list_name: ClassVar[str]
    """What the documents are called."""
    without_effect: ClassVar[frozenset[str]] = frozenset()
    """Fields that are understood and not followed."""

    query: str
    model: Annotated[str | None, Field(description="Any: it is scored by the model that is served.")] = None
    top_n: Annotated[int | None, Field(ge=0, description="Only so many, the best; 0: all.")] = None
    raw_scores: Annotated[bool | None, Field(description="Logits in the place of calibrated probabilities.")] = None

    @property
    def listed(self) -> Sequence[Document]:
        """The documents, by whatever name."""
        found: Sequence[Document] = getattr(self, self.list_name)
        return found

    @property
    def most(self) -> int | None:
        """How many to answer, by whatever name; None or 0: all."""
        return self.top_n

    @property
    def whole(self) -> bool:
        """Whether what does not fit is to be refused, by whatever name."""
        return False


class DocumentsRequest(RerankRequest):
    """As Cohere and Jina have it, and those who followed them."""

    list_name: ClassVar[str] = "documents"
    without_effect: ClassVar[frozenset[str]] = frozenset(("max_chunks_per_doc", "max_tokens_per_doc"))

    documents: Annotated[
        list[str | dict[str, Any]], Field(description="Texts, objects with `text`, or products as of `/score`.")
    ]
    return_documents: bool | None = None
    rank_fields: Annotated[
        list[str] | None, Field(max_length=100, description="Of documents that are objects, what to read.")
    ] = None
    priority: Annotated[int | None, Field(ge=0, le=LOWEST_PRIORITY, description="0 is the most urgent.")] = None
    max_chunks_per_doc: Annotated[int | None, Unused] = None
    max_tokens_per_doc: Annotated[int | None, Unused] = None


class VoyageRequest(DocumentsRequest):
    """As Voyage has it."""

    top_k: Annotated[int | None, Field(ge=0, description="As `top_n`.")] = None
    truncation: Annotated[
        bool | None, Field(description="`false`: a document or query that does not fit is refused, not cut.")
    ] = None

    @property
    def most(self) -> int | None:
        """`top_k`, or `top_n` where that alone is sent."""
        return self.top_k or self.top_n

    @property
    def whole(self) -> bool:
        """By Voyage's name."""
        return self.truncation is False


class TextsRequest(RerankRequest):
    """As Text Embeddings Inference has it."""

    list_name: ClassVar[str] = "texts"

    texts: list[str]
    return_text: bool | None = None
    truncate: Annotated[
        bool | None, Field(description="`false`: a text or query that does not fit is refused, not cut.")
    ] = None
    truncation_direction: Annotated[
        Literal["right", "Right"] | None, Field(description="The end is what is cut; `left` is refused.")
    ] = None

    @property
    def whole(self) -> bool:
        """By the name of Text Embeddings Inference."""
        return self.truncate is False
