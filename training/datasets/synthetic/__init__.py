"""The embedded catalogue: invented products and queries whose true relevance is known.

Everything follows from the seed and the vocabulary. The products of a smaller catalogue are the first
ones of a larger catalogue of the same seed and departments, as long as each type has one.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from training.datasets.schema import Dataset, Judgement, LoggedQuery
from training.datasets.synthetic.candidates import Catalogue
from training.datasets.synthetic.generator import Item, generate_item, to_product
from training.datasets.synthetic.queries import Intent, intent_for, write_query
from training.datasets.synthetic.truth import true_relevance
from training.datasets.synthetic.vocabulary import DEPARTMENTS, ProductType, load_vocabulary
from training.errors import DataError

__all__ = ["DEPARTMENTS", "SyntheticSize", "build_synthetic"]

ATTEMPTS = 50
"""How many queries are drawn for each one wanted, before the vocabulary counts as too small for new ones."""

FROM_CATALOGUE = 0.9
"""Share of the intents that some product of the catalogue fulfils; the others may find none."""

MOST_POPULAR = 30.0
"""How many times as many items the most popular types have as the least popular."""


@dataclass(frozen=True, slots=True)
class SyntheticSize:
    """How much to build. A query gets fewer judgements if there are fewer products."""

    products: int = 4000
    queries: int = 300
    judged_per_query: int = 20
    log_queries: int = 3000


def build_synthetic(
    seed: int, size: SyntheticSize = SyntheticSize(), departments: Collection[str] | None = None
) -> Dataset:
    """Build the catalogue, its judged queries and its query log; of all departments if none are named.

    The query log holds no judged query.
    """
    types = _types_of(departments)
    items = list(_items(random.Random(f"{seed} items"), types, size.products))
    ids = [f"syn-{place:06d}" for place in range(len(items))]
    texts = random.Random(f"{seed} texts")
    products = {product_id: to_product(texts, item, product_id) for product_id, item in zip(ids, items, strict=True)}
    shop = _Shop(types, items)
    judged = _distinct_queries(random.Random(f"{seed} queries"), shop, size.queries)
    judgements = _judge(random.Random(f"{seed} judgements"), judged, items, size.judged_per_query)
    log = _query_log(random.Random(f"{seed} log"), shop, size.log_queries, judged.keys())
    return Dataset("synthetic", products, [Judgement(text, ids[at], grade) for text, at, grade in judgements], log)


@dataclass(frozen=True, slots=True)
class _Shop:
    """What intents are drawn from."""

    types: Sequence[ProductType]
    items: Sequence[Item]

    def intent(self, rng: random.Random) -> Intent:
        """An intent for some type, every type being as likely as its share of the items."""
        if self.items and rng.random() < FROM_CATALOGUE:
            return intent_for(rng, rng.choice(self.items))
        return intent_for(rng, generate_item(rng, rng.choice(self.types)))


def _types_of(departments: Collection[str] | None) -> list[ProductType]:
    if departments is None:
        return list(load_vocabulary())
    unknown = sorted(set(departments) - set(DEPARTMENTS))
    if unknown or not departments:
        named = f"no department {unknown[0]!r}" if unknown else "no department chosen"
        raise DataError(f"synthetic: {named}; there are: {', '.join(DEPARTMENTS)}")
    return [kind for kind in load_vocabulary() if kind.department in departments]


def _items(rng: random.Random, types: Sequence[ProductType], count: int) -> Iterator[Item]:
    """One item of each type in random order, then items by the popularity of their types."""
    rising = list(accumulate(min(rng.paretovariate(1.0), MOST_POPULAR) for _ in types))
    for kind in rng.sample(types, min(count, len(types))):
        yield generate_item(rng, kind)
    for _ in range(count - len(types)):
        yield generate_item(rng, rng.choices(types, cum_weights=rising)[0])


def _distinct_queries(rng: random.Random, shop: _Shop, count: int) -> dict[str, Intent]:
    queries: dict[str, Intent] = {}
    for _ in range(ATTEMPTS * count):
        if len(queries) == count:
            break
        intent = shop.intent(rng)
        queries.setdefault(write_query(rng, intent), intent)
    return queries


def _judge(
    rng: random.Random, queries: dict[str, Intent], items: Sequence[Item], per_query: int
) -> Iterator[tuple[str, int, float]]:
    catalogue = Catalogue(items)
    for text, intent in queries.items():
        for place in catalogue.candidates(rng, intent, per_query):
            yield text, place, true_relevance(intent, items[place])


def _query_log(rng: random.Random, shop: _Shop, count: int, judged: Collection[str]) -> list[LoggedQuery]:
    """Distinct queries; a few are frequent and most are rare, short ones more often being frequent."""
    queries = _distinct_queries(rng, shop, count + len(judged))
    texts = [text for text in queries if text not in judged][:count]
    return [LoggedQuery(text, round(rng.paretovariate(1.1) * 4 / (1 + text.count(" ")), 2)) for text in texts]
