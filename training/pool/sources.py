"""What the pool is drawn from: queries and products, nothing held out among them."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from relevance.product import Product
from training.checks import general_check
from training.config import DistillSettings, PoolSettings
from training.datasets.query_log import read_query_log
from training.datasets.schema import Dataset, LoggedQuery
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.pool.composers import compose_products, compose_queries
from training.pool.misspelling import misspell
from training.pool.queries import ComposedQuery, PoolSources, composed_wanted
from training.pool.query_composers import compose_from_attributes
from training.splits import Split, check_leakage, without_held_out

LARGEST_JUDGED_GROUP = 32
"""A query with more judged products is cut into several groups, to keep batches of one size."""


def reserved_queries(split: Split) -> list[str]:
    """Queries that nothing may learn from: the held-out ones and those of the general check."""
    return [*split.held_out.by_query(), *general_check().by_query()]


def gather_sources(settings: DistillSettings, split: Split) -> PoolSources:
    """Collect queries and products; nothing held out, nor any near-duplicate of it, gets in."""
    held_out = reserved_queries(split)
    own_products = list(split.train.products.values())
    own = _allowed([*map(LoggedQuery, split.train.by_query()), *split.train.query_log], held_out)
    logged = [query for path in settings.query_logs for query in read_query_log(path)]
    catalogue = build_synthetic(
        # Another seed than the judged synthetic dataset's: its products and queries stay unseen.
        settings.seed + 1,
        SyntheticSize(
            products=settings.pool.synthetic_products, queries=0, log_queries=settings.pool.synthetic_queries
        ),
    )
    general = _allowed([*logged, *catalogue.query_log], held_out)
    titles_of = without_held_out((query.text for query in logged), held_out)
    composed_products = compose_products(
        titles_of, settings.pool.composed_per_query, random.Random(f"{settings.seed} products")
    )
    wanted = composed_wanted(settings.pool, len(own), bool(general))
    sources = PoolSources(
        own_queries=own,
        general_queries=general,
        products=[*own_products, *catalogue.products.values(), *composed_products],
        judged=_judged_rows(split.train),
        composed=compose(own_products, wanted, settings, held_out),
    )
    asked = [query.text for query in (*sources.own_queries, *sources.general_queries)]
    asked += [query.text for query in sources.composed]
    check_leakage([*asked, *(query for query, _ in sources.judged)], held_out)
    return sources


def compose(
    products: Sequence[Product], count: int, settings: DistillSettings, held_out: Collection[str]
) -> list[ComposedQuery]:
    """Up to `count` queries made up from the catalogue, some of them misspelt.

    A phrase is checked against the held-out queries before it is misspelt, for a held-out query with a slip
    is still that query; and after it, for a slip may make one.
    """
    phrases = _phrases(products, count, settings.pool, settings.seed)
    rng = random.Random(f"{settings.seed} slips")
    share = settings.pool.misspelt_share
    slipped = {phrase: misspell(phrase, rng) if rng.random() < share else phrase
               for phrase in without_held_out(phrases, held_out)}  # fmt: skip
    allowed = set(without_held_out(slipped.values(), held_out))
    typed = {text: ComposedQuery(text, text != phrase) for phrase, text in slipped.items() if text in allowed}
    return list(typed.values())


def _phrases(products: Sequence[Product], count: int, settings: PoolSettings, seed: int) -> list[str]:
    """Distinct queries of both composers, mixed; one makes up for what the other is short of."""
    of_attributes = compose_from_attributes(
        products, round(settings.attribute_share * count), random.Random(f"{seed} attributes")
    )
    # As many as may be missing: some are the same as one of the other composer's.
    of_titles = compose_queries(products, count, random.Random(f"{seed} phrases"))
    phrases = list(dict.fromkeys([*of_attributes, *of_titles]))[:count]
    random.Random(f"{seed} order").shuffle(phrases)
    return phrases


def _allowed(queries: Iterable[LoggedQuery], held_out: Collection[str]) -> list[LoggedQuery]:
    """Each query text once, with the sum of its weights, without the held-out ones and their near-duplicates."""
    weights: dict[str, float] = defaultdict(float)
    for query in queries:
        weights[query.text] += query.weight
    return [LoggedQuery(text, weights[text]) for text in without_held_out(weights, held_out)]


def _judged_rows(train: Dataset) -> list[tuple[str, list[int]]]:
    row_of = {product_id: row for row, product_id in enumerate(train.products)}
    return [
        (query, [row_of[judgement.product_id] for judgement in group[start : start + LARGEST_JUDGED_GROUP]])
        for query, group in train.by_query().items()
        for start in range(0, len(group), LARGEST_JUDGED_GROUP)
    ]
