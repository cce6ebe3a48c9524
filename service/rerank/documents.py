"""A document as a product: a text is a title, an object may have a product's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from relevance.product import Product
from service.validation import is_blank

Document = str | dict[str, Any]

TEXT = "text"


def candidate_of(document: Document, rank_fields: Sequence[str] | None) -> Document:
    """The candidate, in the words of `POST /score`, that `document` is.

    An object with a title and nothing else than a product's fields is that product. Of any other one `rank_fields`, or
    else its text, are read as a title. What is neither stays as it is, for the validation to refuse.
    """
    if isinstance(document, str):
        return document
    # Typed clients send what they leave out as null.
    document = {name: value for name, value in document.items() if value is not None}
    chosen = document if rank_fields is None else {name: document[name] for name in rank_fields if name in document}
    if "title" in chosen and chosen.keys() <= Product.model_fields.keys():
        return chosen
    if rank_fields is not None:
        return {"title": " ".join(map(_as_text, chosen.values()))}
    return {"title": document[TEXT]} if isinstance(document.get(TEXT), str) else document


def is_blank_text(candidate: Document) -> bool:
    """Whether there is nothing to read in it. One without a title at all is not blank but faulty."""
    title = candidate if isinstance(candidate, str) else candidate.get("title")
    return isinstance(title, str) and is_blank(title)


def read_as_title(document: Document) -> str:
    """The path, within `document`, of what became, or should have become, the candidate's title."""
    if isinstance(document, str):
        return ""
    read = candidate_of(document, None)
    return (
        f".{TEXT}" if isinstance(read, dict) and "title" in read and read["title"] is document.get(TEXT) else ".title"
    )


def as_document(document: Document) -> Mapping[str, Any]:
    """What a reply that returns documents has of it: always an object with its text."""
    if isinstance(document, str):
        return {TEXT: document}
    # Typed clients take nothing else for it than a string.
    text = document.get("title", "") if document.get(TEXT) is None else document[TEXT]
    return {**document, TEXT: _as_text(text)}


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
