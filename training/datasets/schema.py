"""The one schema that every dataset reader fills: judgements, products, queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from relevance.product import Product


@dataclass(frozen=True, slots=True)
class Judgement:
    """One judged pair. `target` is the soft target in [0, 1] that the dataset's grade table gives."""

    query: str
    product_id: str
    target: float


@dataclass(frozen=True, slots=True)
class LoggedQuery:
    """A query of the log, unjudged; `weight` is its relative frequency."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Dataset:
    """Judgements over a catalogue, and the query log that the pool is drawn from.

    Invariant: every `product_id` of `judgements` is a key of `products`. `held_out_queries` are those that the
    dataset's publisher set apart for testing; None where every split is as good as another.
    """

    name: str
    products: Mapping[str, Product]
    judgements: Sequence[Judgement]
    query_log: Sequence[LoggedQuery] = field(default_factory=tuple)
    held_out_queries: frozenset[str] | None = None

    def by_query(self) -> dict[str, list[Judgement]]:
        """Group the judgements by query text, in order of first appearance."""
        groups: dict[str, list[Judgement]] = defaultdict(list)
        for judgement in self.judgements:
            groups[judgement.query].append(judgement)
        return dict(groups)
