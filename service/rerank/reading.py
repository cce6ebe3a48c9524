"""From a dialect's bytes to a body of ours, and what its reply has to know."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from service.errors import FieldError, InvalidInputError, ServiceError, TooLargeError
from service.reading import BodyReader
from service.request import Body
from service.rerank.documents import Document, candidate_of, is_blank_text, read_as_title
from service.rerank.schemas import DocumentsRequest, RerankRequest, TextsRequest
from service.validation import REQUIRED, check_count, field_name, invalid_fields, locate_bad_json, message_of

MOST_FIELDS: Final = 100
"""Of a request, beside its documents; those without a meaning are told back one by one."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """One request of a dialect: the body to score, its documents as sent, and how to answer."""

    body: Body
    documents: Sequence[Document]
    places: Sequence[int]
    """Which of the documents each candidate of the body is: all but the blank ones."""
    top_n: int | None
    return_documents: bool
    raw_scores: bool
    notes: Sequence[str]
    """What was sent and has no effect."""
    refuse_truncation: bool = False
    """Whether to refuse what would have to be cut."""
    list_name: str = "documents"
    """What the caller calls them."""

    @property
    def blank(self) -> Sequence[int]:
        """The documents in which there is nothing to read."""
        if len(self.places) == len(self.documents):
            return ()
        return sorted(set(range(len(self.documents))) - set(self.places))


def parse_object(raw: bytes) -> Mapping[str, Any]:
    """The JSON object in `raw`; InvalidInputError if it holds none."""
    try:
        sent = msgspec.json.decode(raw)
    except (ValueError, RecursionError) as error:
        raise invalid_fields([locate_bad_json(raw, str(error))]) from None
    if not isinstance(sent, dict):
        raise invalid_fields([FieldError("body", "must be a JSON object")])
    if len(sent) > MOST_FIELDS:
        raise TooLargeError(f"The body has {len(sent)} fields; the limit is {MOST_FIELDS}.")
    return sent


class RerankReader:
    """Reads the dialects: what they ask is written as a body of `/score`, and read as that."""

    def __init__(self, reader: BodyReader) -> None:
        self._reader = reader

    def documents(self, sent: Mapping[str, Any], kind: type[DocumentsRequest] = DocumentsRequest) -> Reranking:
        """A request with `documents`; raises EmptyInputError, InvalidInputError or TooLargeError."""
        request = self._validated(kind, sent)
        assert isinstance(request, DocumentsRequest)
        # Typed clients send an empty list for one that is left out.
        rank_fields = request.rank_fields or None
        candidates = [candidate_of(document, rank_fields) for document in request.documents]
        # Where the fields to read are named, a document without any of them is a mistake.
        places = _with_text(candidates) if rank_fields is None else range(len(candidates))
        body = self._body(request, [candidates[place] for place in places], places, request.priority or 0)
        return _reranking(request, body, places, bool(request.return_documents))

    def texts(self, sent: Mapping[str, Any]) -> Reranking:
        """A request with `texts`; errors as of `documents`."""
        request = self._validated(TextsRequest, sent)
        assert isinstance(request, TextsRequest)
        places = _with_text(request.texts)
        body = self._body(request, [request.texts[place] for place in places], places, 0)
        return _reranking(request, body, places, bool(request.return_text))

    def _validated(self, kind: type[RerankRequest], sent: Mapping[str, Any]) -> RerankRequest:
        listed = sent.get(kind.list_name)
        if isinstance(listed, list):
            # Before each is looked at: an error for each of a million takes a while to word.
            try:
                check_count(len(listed), self._reader.limits)
            except ServiceError as error:
                raise type(error)(error.detail.replace("candidates", kind.list_name, 1)) from None
        return _validated(kind, sent)

    def _body(
        self, request: RerankRequest, candidates: Sequence[Document], places: Sequence[int], priority: int
    ) -> Body:
        # Logits and tokens, which dialects have words for, stand in our reply's `debug`.
        fields = {"query": request.query, "candidates": candidates, "priority": priority, "debug": True}
        try:
            return self._reader.read(msgspec.json.encode(fields))
        except ServiceError as error:
            raise _in_words_of(request, places, error) from None


def _with_text(candidates: Sequence[Document]) -> Sequence[int]:
    """Which candidates have something to read. Other servers score a blank text too: here it stands last."""
    return [place for place, candidate in enumerate(candidates) if not is_blank_text(candidate)]


def _reranking(request: RerankRequest, body: Body, places: Sequence[int], return_documents: bool) -> Reranking:
    return Reranking(
        body=body,
        documents=request.listed,
        places=places,
        top_n=request.most or None,
        return_documents=return_documents,
        raw_scores=bool(request.raw_scores),
        notes=list(_notes(request)),
        refuse_truncation=request.whole,
        list_name=request.list_name,
    )


def _validated(kind: type[RerankRequest], sent: Mapping[str, Any]) -> RerankRequest:
    try:
        return kind.model_validate(sent)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        # One error for each type that a document may have; to the caller it is one mistake.
        found = {
            detail["loc"][:2] if detail["loc"][0] == kind.list_name else detail["loc"]: detail for detail in details
        }
        errors = [
            FieldError(field_name(path), _DOCUMENT if path != detail["loc"] else message_of(detail))
            for path, detail in found.items()
        ]
        raise invalid_fields(errors) from None


_PATH = re.compile(r"(?P<quote>`?)candidates(\[(?P<index>\d+)\](?P<field>\.title(?![^`\s]))?)?")

_DOCUMENT = "must be a text or an object"
_NOTHING_TO_READ = (
    f"{REQUIRED}: give the document a string `text` or `title`, or name its fields to read in `rank_fields`"
)


def _notes(request: RerankRequest) -> Sequence[str]:
    sent = sorted(request.without_effect & request.model_fields_set)
    ignored = [name for name in sent if getattr(request, name) is not None]
    unknown = [field_name((name,)) for name, value in (request.model_extra or {}).items() if value is not None]
    return [f"{name} has no effect" for name in (*ignored, *unknown)]


def _in_words_of(request: RerankRequest, places: Sequence[int], error: ServiceError) -> ServiceError:
    """The same error with the names that the caller knows."""
    errors = [FieldError(_as_called(request, places, one.field), _advice(one)) for one in error.errors]
    detail = _as_called(request, places, error.detail)
    if errors:
        detail = detail.replace(f"` {error.errors[0].message}", f"` {errors[0].message}", 1)
    return type(error)(detail, errors)


def _advice(error: FieldError) -> str:
    """Its message; of an object without a title, what else may be read of it."""
    place = _PATH.match(error.field)
    return _NOTHING_TO_READ if place and place["field"] and error.message == REQUIRED else error.message


def _as_called(request: RerankRequest, places: Sequence[int], told: str) -> str:
    """`told` is a sentence, or begins with the field's path; further on may stand names that the caller made up."""
    begin = _PATH.match(told)
    if begin is None:
        return told.replace(" candidates", f" {request.list_name}", 1)
    if begin["index"] is None:
        return f"{begin['quote']}{request.list_name}{told[begin.end() :]}"
    place, field = places[int(begin["index"])], begin["field"] or ""
    if field:
        field = "" if getattr(request, "rank_fields", None) else read_as_title(request.listed[place])
    return f"{begin['quote']}{request.list_name}[{place}]{field}{told[begin.end() :]}"


def no_list() -> InvalidInputError:
    """The error of a request that says nothing to rerank."""
    return InvalidInputError("`texts` or `documents` is required.", [FieldError("documents", "is required")])
