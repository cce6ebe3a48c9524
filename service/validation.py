"""From raw bytes to a body that can be scored, or to an error that names each faulty field.

Refusals, in this order: 422 what does not parse or has a wrong type, 400 nothing to score, 413 over a limit, 422 a
blank title. What is too much to be looked into was refused before (`service.excess`). A body of several requests is
refused whole when one of them is faulty; the field's path then starts with `requests[i]`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from unicodedata import category

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from relevance.product import Product
from service.errors import EmptyInputError, FieldError, InvalidInputError, TooLargeError
from service.schemas import (
    CANDIDATE_KINDS,
    DEADLINE_MS,
    SCORE_BODY,
    KnownProduct,
    ScoreBody,
    ScoreRequest,
    ScoreRequests,
    requests_of,
)

DEADLINE_HEADER = "x-deadline-ms"
MAX_ERRORS_TOLD = 20
NO_CATALOGUE = "is required: an id alone names a product of a catalogue, and this service has none (AISLE_CATALOGUE)"
MAX_NAME_TOLD = 64
INVISIBLE = frozenset({"Cc", "Cf", "Mn"})
"""Unicode's categories of control characters, format characters and marks without width: a tokenizer drops them."""

REQUIRED = "is required"
# Pydantic's words where they would puzzle somebody who has never seen our classes.
_MESSAGES = {
    "missing": REQUIRED,
    "extra_forbidden": "is not a known field",
    "model_type": "must be a JSON object",
    "string_type": "must be a string",
    "list_type": "must be an array",
    "bool_type": "must be true or false",
    "int_type": "must be an integer",
    "int_from_float": "must be an integer",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
}

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a body may hold at most."""

    candidates: int
    text_chars: int
    catalogue: bool = False
    """Whether a candidate may be an id alone."""


def parse_body(raw: bytes, limits: Limits) -> ScoreBody:
    """The body in `raw`, checked; raises EmptyInputError, InvalidInputError or TooLargeError."""
    try:
        body = SCORE_BODY.validate_json(raw, strict=True)
    except ValidationError as error:
        raise _invalid(raw, error) from None
    _check(body, limits)
    return body


def parse_deadline(values: Sequence[str]) -> float | None:
    """Milliseconds of the header `x-deadline-ms`, sent with these `values`; InvalidInputError if that is no number."""
    if not values:
        return None
    try:
        # Sent twice it says nothing clear; HTTP joins such values by commas, which no number has.
        return DEADLINE_MS.validate_json(",".join(values), strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_context=False, include_input=False)[0]
        message = "must be a number" if detail["type"] == "json_invalid" else message_of(detail)
        raise invalid_fields([FieldError(DEADLINE_HEADER, message)]) from None


def _check(body: ScoreBody, limits: Limits) -> None:
    requests = requests_of(body)
    several = isinstance(body, ScoreRequests)
    if not requests:
        raise EmptyInputError("`requests` must not be empty.", [FieldError("requests", "must not be empty")])
    check_count(sum(len(request.candidates) for request in requests), limits)
    for index, request in enumerate(requests):
        _check_request(request, ("requests", index) if several else (), limits)


def check_count(candidates: int, limits: Limits) -> None:
    """Refuse a body with more candidates than the limit, all of its requests together."""
    if candidates > limits.candidates:
        raise TooLargeError(f"The body has {candidates} candidates; the limit is {limits.candidates}.")


def _check_request(request: ScoreRequest, at: Path, limits: Limits) -> None:
    check_head(request.query, len(request.candidates), at, limits)
    for index, candidate in enumerate(request.candidates):
        check_candidate(candidate, (*at, "candidates", index), limits)


def check_head(query: str, candidates: int, at: Path, limits: Limits) -> None:
    """Refuse a request without a query or without candidates, or with too long a query; `at` is its path."""
    for name, empty in (("query", is_blank(query)), ("candidates", not candidates)):
        if empty:
            field = field_name((*at, name))
            raise EmptyInputError(f"`{field}` must not be empty.", [FieldError(field, "must not be empty")])
    if len(query) > limits.text_chars:
        raise _text_too_long((*at, "query"), limits.text_chars)


def check_candidate(candidate: Product | KnownProduct, where: Path, limits: Limits) -> None:
    """Refuse a candidate that is blank, over the limits, or named by an id where there is no catalogue."""
    if isinstance(candidate, KnownProduct):
        if not limits.catalogue:
            raise invalid_fields([FieldError(field_name((*where, "title")), NO_CATALOGUE)])
        return
    for name, text in _texts(candidate):
        if len(text) > limits.text_chars:
            raise _text_too_long((*where, name), limits.text_chars)
    if is_blank(candidate.title):
        raise invalid_fields([FieldError(field_name((*where, "title")), "must not be blank")])


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of `text`: white space, control and format characters, lone marks."""
    # Almost every text shows it by its first character.
    return not text[:1].isalnum() and all(one.isspace() or category(one) in INVISIBLE for one in text)


def _texts(product: Product) -> Iterator[tuple[str, str]]:
    yield "title", product.title
    # A bare string has set no other field, which is the common case and the hot path.
    if len(product.model_fields_set) > 1:
        for name in product.model_fields_set:
            if isinstance(text := getattr(product, name), str):
                yield name, text
        for name, value in product.attributes.items():
            yield "attributes", name
            if isinstance(value, str):
                yield f"attributes.{name[:MAX_NAME_TOLD]}", value


def _text_too_long(path: Path, text_chars: int) -> TooLargeError:
    return TooLargeError(f"`{field_name(path)}` is too long; the limit is {text_chars} characters in one text.")


def _invalid(raw: bytes, error: ValidationError) -> InvalidInputError:
    details = error.errors(include_url=False, include_context=False, include_input=False)
    if details[0]["type"] == "json_invalid":
        return invalid_fields([locate_bad_json(raw, details[0]["msg"])])
    return invalid_fields([_field_error(detail) for detail in details])


def invalid_fields(errors: Sequence[FieldError]) -> InvalidInputError:
    """The error that names these fields, of which there is at least one."""
    distinct = list(dict.fromkeys(errors))
    first = distinct[0]
    more = f" (and {len(distinct) - 1} more)" if len(distinct) > 1 else ""
    return InvalidInputError(f"`{first.field}` {first.message}{more}.", distinct[:MAX_ERRORS_TOLD])


def _field_error(detail: ErrorDetails) -> FieldError:
    path = _without_tags(detail["loc"])
    message = message_of(detail)
    if "attributes" in path:
        cut = path.index("attributes") + 2
        # One error for each type that a value may have; to the caller it is one mistake.
        if len(path) > cut:
            path, message = path[:cut], "must be a string, true, false or a finite number"
    elif len(path) > 1 and path[-2] == "candidates" and detail["type"] == "model_type":
        message = "must be a string or a product object"
    return FieldError(field_name(path), message)


def _without_tags(path: Path) -> Path:
    """An error's path without the tags of the body's shape, its first, and of a candidate's kind."""
    steps = path[1:]
    if "candidates" in steps:
        kind = steps.index("candidates") + 2
        if len(steps) > kind and steps[kind] in CANDIDATE_KINDS:
            return (*steps[:kind], *steps[kind + 1 :])
    return steps


def message_of(detail: ErrorDetails) -> str:
    """Pydantic's words, or clearer ones."""
    return _MESSAGES.get(detail["type"]) or _lower_first(detail["msg"].removeprefix("Input should "))


def _lower_first(text: str) -> str:
    return "must " + text if text.startswith("be ") else text[:1].lower() + text[1:]


def field_name(path: Sequence[str | int]) -> str:
    """`("candidates", 3, "title")` as `candidates[3].title`; the body itself is `body`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            # Names of unknown fields are the client's own words: short and printable is enough to find them.
            name = "".join(c if c.isprintable() else "?" for c in step[:MAX_NAME_TOLD])
            text += f".{name}" if text else name
    return text or "body"


def locate_bad_json(raw: bytes, message: str) -> FieldError:
    """Which field made the strict parser refuse, where the lenient one of the standard library can tell."""
    try:
        found = next(_faults(json.loads(raw), ()), None)
    except (ValueError, RecursionError):
        found = None
    if found is None:
        return FieldError("body", f"must be valid JSON: {message.removeprefix('Invalid JSON: ')}")
    path, fault = found
    return FieldError(field_name(path), fault)


def _faults(value: object, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str) and not _is_unicode(value):
        yield path, "must be valid Unicode: it has a lone surrogate"
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, "must be a finite number"
    elif isinstance(value, dict):
        for name, inner in value.items():
            if not _is_unicode(name):
                yield path, "has a field name that is not valid Unicode"
            yield from _faults(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _faults(inner, (*path, index))


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
