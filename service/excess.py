"""Bodies that are too much to look into, found before they are validated.

Validation words an error for each wrong field, at some microseconds each: a body of a few megabytes that is all wrong
would hold the event loop for a minute. Here one look, by a parser that stops at the first fault, finds such bodies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from types import GenericAlias
from typing import Any, Final

import msgspec
from pydantic import BaseModel

from relevance.product import AttributeValue, Product
from service.errors import FieldError, TooLargeError
from service.schemas import ScoreRequest
from service.validation import Limits, check_count, invalid_fields

MANY: Final = 5_000
"""Commas, of which there is one between any two fields or candidates. Of fewer, all faults are told in no time."""

_OWN_TYPES: Final = {"attributes": dict[str, AttributeValue]}
"""Fields of a product that can hold many values; what the others hold is one value, right or wrong."""


def _struct(name: str, model: type[BaseModel], types: dict[str, Any], more: Sequence[tuple[str, Any]] = ()) -> Any:
    """A type with the fields of `model`, of which those in `types` are looked into."""
    known = [(field, types.get(field, Any), None) for field in model.model_fields]
    return msgspec.defstruct(
        name, [*known, *((field, type_, None) for field, type_ in more)], forbid_unknown_fields=True
    )


_SentProduct = _struct("_SentProduct", Product, _OWN_TYPES)
_CANDIDATES = {"candidates": GenericAlias(list, (str | _SentProduct,))}
_SentRequest = _struct("_SentRequest", ScoreRequest, _CANDIDATES)
_SentBody = _struct("_SentBody", ScoreRequest, _CANDIDATES, [("requests", GenericAlias(list, (_SentRequest,)))])
_SENT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_SentBody)
_FAULT = re.compile(r"(?P<fault>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)


def refuse_excess(raw: bytes, limits: Limits) -> None:
    """Refuse a body with more candidates than the limit, or one so large that only its first fault is told.

    Raises TooLargeError or InvalidInputError. What passes has faults that can all be told in no time, if any.
    """
    if raw.count(b",") < max(MANY, 2 * limits.candidates):
        return
    try:
        sent = _SENT.decode(raw)
    except msgspec.ValidationError as error:
        raise invalid_fields([_field_error(error)]) from None
    except (ValueError, RecursionError):
        # No JSON: validation says where, and says it once.
        return
    requests = sent.requests or ()
    if len(requests) > limits.candidates:
        raise TooLargeError(f"The body has {len(requests)} requests; the limit is {limits.candidates} candidates.")
    check_count(len(sent.candidates or ()) + sum(len(one.candidates or ()) for one in requests), limits)


def _field_error(error: msgspec.ValidationError) -> FieldError:
    found = _FAULT.fullmatch(str(error))
    assert found is not None
    fault = found["fault"]
    return FieldError(found["path"] or "body", f"is not valid: {fault[:1].lower()}{fault[1:]}")
