"""Which queries the pool asks, and how often each."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from relevance.product import Product
from training.config import DistillSettings, PoolSettings
from training.datasets.schema import LoggedQuery
from training.pool.pairs import Origin

SMALLEST_WEIGHT = 1e-9
"""A weight of zero means last, not never."""
LOG_ROUNDS = 2
"""How often the shop's judged and logged queries are gone through while new ones can still be composed."""


class ComposedQuery(NamedTuple):
    """A query made up from the catalogue, as typed."""

    text: str
    misspelt: bool = False


@dataclass(frozen=True, slots=True)
class PoolSources:
    """Where the pool is drawn from: the shop's own queries, general ones, and one catalogue for both.

    `judged` holds the training queries' judged products as rows of `products`: the pool's first part.
    `composed` queries are the shop's own too, but nobody has asked them yet.
    """

    own_queries: Sequence[LoggedQuery]
    general_queries: Sequence[LoggedQuery]
    products: Sequence[Product]
    judged: Sequence[tuple[str, Sequence[int]]]
    composed: Sequence[ComposedQuery] = ()


class DrawnQuery(NamedTuple):
    """One query of the pool; its candidates are one group."""

    text: str
    origin: Origin
    misspelt: bool = False


def queries_wanted(settings: PoolSettings) -> int:
    """How many queries make the pairs asked for."""
    return math.ceil(settings.pairs / settings.candidates_per_query)


def composed_wanted(settings: PoolSettings, own_queries: int, general: bool) -> int:
    """How many of the shop's own queries are to be composed, given how many it has and whether there are others."""
    own = _own(settings, general)
    return own - min(round(own * (1.0 - settings.composed_share)), LOG_ROUNDS * own_queries)


def draw_queries(sources: PoolSources, settings: DistillSettings) -> list[DrawnQuery]:
    """As many queries as `settings.pool` asks for, `own_share` of them the shop's; a short list repeats.

    Within one going through, a query comes the earlier the greater its weight, by chance: a long list that
    is cut keeps the frequent queries more often. The times that a text is drawn stand together, so that
    retrieval is done once for all of them.
    """
    pool, seed = settings.pool, settings.seed
    own = _own(pool, bool(sources.general_queries))
    composed = composed_wanted(pool, len(sources.own_queries), bool(sources.general_queries))
    if not sources.composed:
        composed = 0
    elif not sources.own_queries:
        composed = own
    drawn = [
        *_cycled(_as_drawn(sources.own_queries, Origin.OWN), own - composed, random.Random(f"{seed} own")),
        *_cycled([(_composed(query), 1.0) for query in sources.composed], composed, random.Random(f"{seed} composed")),
        *_cycled(
            _as_drawn(sources.general_queries, Origin.GENERAL), queries_wanted(pool) - own, random.Random(f"{seed} all")
        ),
    ]
    first: dict[str, int] = {}
    for place, query in enumerate(drawn):
        first.setdefault(query.text, place)
    return sorted(drawn, key=lambda query: first[query.text])


def _own(settings: PoolSettings, general: bool) -> int:
    return round(queries_wanted(settings) * settings.own_share) if general else queries_wanted(settings)


def _as_drawn(queries: Sequence[LoggedQuery], origin: Origin) -> list[tuple[DrawnQuery, float]]:
    return [(DrawnQuery(query.text, origin), query.weight) for query in queries]


def _composed(query: ComposedQuery) -> DrawnQuery:
    return DrawnQuery(query.text, Origin.COMPOSED, query.misspelt)


def _cycled(queries: Sequence[tuple[DrawnQuery, float]], count: int, rng: random.Random) -> list[DrawnQuery]:
    drawn: list[DrawnQuery] = []
    while queries and len(drawn) < count:
        # Weighted sampling without replacement (Efraimidis & Spirakis 2006): order by u^(1/w), here in logs.
        order = sorted(queries, key=lambda query: rng.expovariate(1.0) / max(query[1], SMALLEST_WEIGHT))
        drawn += [query for query, _ in order]
    return drawn[:count]
