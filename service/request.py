"""A body as the stages know it: parsed and checked, and of each candidate what is known beside its fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from relevance.pair_encoding import EncodedText
from relevance.product import Product
from relevance.template import Template
from service.predicted_cost import guess_product
from service.schemas import KnownProduct, ScoreBody, ScoreRequest, ScoreRequests, requests_of


@dataclass(slots=True, eq=False)
class Candidate:
    """One candidate: `product` where it has to be tokenised, `text` once it is; neither: it is named by its `id`."""

    id: str | None
    prior: float | None
    guess: int
    """Tokens that the model will read of it, guessed; 0 of one that is named by its id."""
    product: Product | None = None
    text: EncodedText | None = None
    raw: bytes | None = None
    """The JSON that it was sent as, where it is not remembered by that yet."""

    found: tuple[str | None, EncodedText] | None = None
    """Of one that is named by its id: the catalogue that was asked last, and what that said."""

    new: bool = field(init=False)
    """Whether it has to be tokenised or remembered."""
    by_id: bool = field(init=False)
    """Whether only the catalogue can tell what it is."""

    def __post_init__(self) -> None:
        self.new = self.product is not None or self.raw is not None
        self.by_id = self.product is None and self.text is None

    @classmethod
    def of(cls, parsed: Product | KnownProduct, template: Template, raw: bytes | None = None) -> Candidate:
        """A candidate of which nothing is known but what was sent."""
        if isinstance(parsed, KnownProduct):
            return cls(parsed.id, parsed.prior, 0, raw=raw)
        return cls(parsed.id, parsed.prior, guess_product(parsed, template), parsed, raw=raw)


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One query and the candidates to score for it; the fields are those of `ScoreRequest`."""

    query: str
    candidates: Sequence[Candidate]
    top_k: int | None = None
    deadline_ms: float | None = None
    priority: int = 0
    debug: bool = False

    @classmethod
    def of(cls, parsed: ScoreRequest, candidates: Sequence[Candidate]) -> Request:
        """`parsed` with these candidates in the place of its own."""
        return cls(parsed.query, candidates, parsed.top_k, parsed.deadline_ms, parsed.priority, parsed.debug)

    def prior_order(self) -> list[int]:
        """Candidate indexes, highest `prior` first; equal priors in request order, those without one last."""
        priors = [float("inf") if c.prior is None else -c.prior for c in self.candidates]
        return sorted(range(len(priors)), key=priors.__getitem__)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What was sent: one request, or `several`, which are admitted, timed and answered together."""

    requests: Sequence[Request]
    several: bool = False

    @classmethod
    def of(cls, parsed: ScoreBody, template: Template) -> Body:
        """A body of whose candidates nothing is known but what was sent."""
        requests = [
            Request.of(request, [Candidate.of(one, template) for one in request.candidates])
            for request in requests_of(parsed)
        ]
        return cls(requests, several=isinstance(parsed, ScoreRequests))
