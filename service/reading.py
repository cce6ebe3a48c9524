"""From raw bytes to a body. A candidate that was sent before in the same bytes is not looked into again.

Only what is sure is read in this short way: one request, every field in its place, every new candidate valid. Anything
else goes the whole way through `service.validation`, which alone words errors.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pydantic import TypeAdapter

from relevance.template import Template
from service.candidate_cache import CandidateCache
from service.errors import ServiceError
from service.excess import refuse_excess
from service.request import Body, Candidate, Request
from service.schemas import Candidate as SentCandidate
from service.schemas import ScoreRequest
from service.validation import Limits, check_candidate, check_count, check_head, parse_body

_CANDIDATES: TypeAdapter[list[SentCandidate]] = TypeAdapter(list[SentCandidate])


class _Sent(msgspec.Struct, forbid_unknown_fields=True):
    """A body whose candidates are found and not parsed. `ScoreRequest` has the last word on the other fields.

    Of a field that is sent twice the last counts, here as there.
    """

    query: str
    candidates: list[msgspec.Raw]
    top_k: int | float | None = None
    deadline_ms: int | float | None = None
    priority: int | float = 0
    debug: bool = False


_SENT = msgspec.json.Decoder(_Sent)


class BodyReader:
    """Reads bodies. `cache` None: every candidate is parsed every time."""

    def __init__(self, limits: Limits, template: Template, cache: CandidateCache | None = None) -> None:
        self.limits, self._template, self._cache = limits, template, cache

    def read(self, raw: bytes) -> Body:
        """The body in `raw`, checked; raises as `refuse_excess` and `parse_body` do."""
        refuse_excess(raw, self.limits)
        known = None if self._cache is None else self._by_bytes(raw, self._cache)
        return Body.of(parse_body(raw, self.limits), self._template) if known is None else known

    def _by_bytes(self, raw: bytes, cache: CandidateCache) -> Body | None:
        """The body, its candidates by their bytes; None where anything about it is not plain."""
        try:
            sent = _SENT.decode(raw)
            check_count(len(sent.candidates), self.limits)
            check_head(sent.query, len(sent.candidates), (), self.limits)
            request = _without_candidates(sent)
            return Body([Request.of(request, self._candidates([bytes(one) for one in sent.candidates], cache))])
        except (ValueError, RecursionError, ServiceError):
            # Both parsers' errors are ValueErrors, and so is that of bytes which are no UTF-8.
            return None

    def _candidates(self, raws: Sequence[bytes], cache: CandidateCache) -> list[Candidate]:
        found = cache.get(raws)
        new = [raw for raw, candidate in zip(raws, found, strict=True) if candidate is None]
        parsed = iter(self._parsed(new) if new else ())
        return [next(parsed) if candidate is None else candidate for candidate in found]

    def _parsed(self, raws: Sequence[bytes]) -> list[Candidate]:
        products = _CANDIDATES.validate_json(b"[" + b",".join(raws) + b"]", strict=True)
        for product in products:
            check_candidate(product, (), self.limits)
        return [Candidate.of(product, self._template, raw) for product, raw in zip(products, raws, strict=True)]


def _without_candidates(sent: _Sent) -> ScoreRequest:
    fields = {name: getattr(sent, name) for name in sent.__struct_fields__}
    return ScoreRequest.model_validate({**fields, "candidates": []}, strict=True)
