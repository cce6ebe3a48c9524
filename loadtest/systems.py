"""What differs between the systems that are compared: where a request goes, how it is written, how its reply is read.

Every system is asked the same: a body of `POST /score`, as `loadtest.workload` draws it. A peer gets each
product as one text, the fields of the bundle's template joined by single spaces, which is what Aisle reads of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from loadtest.workload import Body
from relevance.product import Product, field_text
from relevance.template import Template

AISLE = "aisle"

Scores = list[float | None]


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it goes over the wire, and the pairs that it asks to score."""

    content: bytes
    pairs: int


@dataclass(frozen=True, slots=True)
class Target:
    """Where a system listens. `timeout` (s) is the longest that one reply may take."""

    name: str
    host: str
    port: int
    path: str
    timeout: float = 60.0

    def __str__(self) -> str:
        return f"{self.name} at {self.host}:{self.port}{self.path}"

    def failure(self, reason: str) -> RuntimeError:
        """The error to raise when it does not do what it should."""
        return RuntimeError(f"{self} failed: {reason}; see whether it runs, and what it logs")


class System(Protocol):
    """The dialect of one system."""

    @property
    def name(self) -> str:
        """As it is called on the command line."""

    @property
    def path(self) -> str:
        """Where requests go."""

    def call(self, body: Body) -> Call:
        """The request for `body`."""

    def scores(self, reply: bytes) -> Scores:
        """Score of each candidate by its index; None where the model did not score it."""


@dataclass(frozen=True, slots=True)
class Aisle:
    """Our own service."""

    name: str = AISLE
    path: str = "/score"

    def call(self, body: Body) -> Call:
        """The body as it is."""
        return Call(json.dumps(body).encode(), len(body["candidates"]))

    def scores(self, reply: bytes) -> Scores:
        """The pairs that a deadline left unscored are those with the last ranks."""
        parsed = json.loads(reply)
        scores: Scores = [result["score"] for result in parsed["results"]]
        unscored = parsed["total"] - parsed["scored"]
        for result in sorted(parsed["results"], key=lambda result: -result["rank"])[:unscored]:
            scores[result["index"]] = None
        return scores


@dataclass(frozen=True, slots=True)
class Infinity:
    """Infinity's `/rerank`: results in descending order of relevance."""

    template: Template
    name: str = "infinity"
    path: str = "/rerank"

    def call(self, body: Body) -> Call:
        """Query and texts; the texts are not asked back."""
        documents = document_texts(body, self.template)
        content = {"query": body["query"], "documents": documents, "return_documents": False}
        return Call(json.dumps(content).encode(), len(documents))

    def scores(self, reply: bytes) -> Scores:
        """By index."""
        results = json.loads(reply)["results"]
        scores: Scores = [None] * len(results)
        for result in results:
            scores[result["index"]] = result["relevance_score"]
        return scores


@dataclass(frozen=True, slots=True)
class SentenceTransformers:
    """Our small server around a sentence-transformers CrossEncoder: scores in request order."""

    template: Template
    name: str = "sentence-transformers"
    path: str = "/rerank"

    def call(self, body: Body) -> Call:
        """Query and texts."""
        documents = document_texts(body, self.template)
        return Call(json.dumps({"query": body["query"], "documents": documents}).encode(), len(documents))

    def scores(self, reply: bytes) -> Scores:
        """As they come."""
        scores: Scores = json.loads(reply)["scores"]
        return scores


def document_texts(body: Body, template: Template) -> list[str]:
    """Each candidate as the text that the model reads of it."""
    products = [Product.model_validate(candidate) for candidate in body["candidates"]]
    return [" ".join(_fields(product, template)) for product in products]


def _fields(product: Product, template: Template) -> Sequence[str]:
    texts = (field_text(product, budget.field) for budget in template.fields)
    return [text for text in texts if text]
