from __future__ import annotations

from collections import Counter
from itertools import groupby

from relevance.product import Product
from training.config import DistillSettings, PoolSettings
from training.datasets.schema import LoggedQuery
from training.pool import Origin
from training.pool.queries import ComposedQuery, PoolSources, composed_wanted, draw_queries

PRODUCTS = [Product(title="lamp")]


def settings(queries: int, **more: float) -> DistillSettings:
    return DistillSettings(pool=PoolSettings(pairs=queries * 2, candidates_per_query=2, **more))  # type: ignore[arg-type]


def log(name: str, count: int) -> list[LoggedQuery]:
    return [LoggedQuery(f"{name} {n}") for n in range(count)]


def test_each_part_gets_its_share() -> None:
    composed = [ComposedQuery(f"composed {n}", misspelt=n % 2 == 0) for n in range(100)]
    sources = PoolSources(log("own", 100), log("general", 100), PRODUCTS, [], composed)
    drawn = draw_queries(sources, settings(100, own_share=0.6, composed_share=0.25))
    assert Counter(query.origin for query in drawn) == {Origin.OWN: 45, Origin.COMPOSED: 15, Origin.GENERAL: 40}
    assert all(query.misspelt == (query.text in {c.text for c in composed if c.misspelt}) for query in drawn)


def test_a_few_logged_queries_leave_room_for_composed_ones() -> None:
    assert composed_wanted(settings(100, composed_share=0.5).pool, own_queries=3, general=False) == 94
    assert composed_wanted(settings(100, composed_share=0.5).pool, own_queries=80, general=False) == 50


def test_what_is_missing_is_made_up_for() -> None:
    only_log = draw_queries(PoolSources(log("own", 3), [], PRODUCTS, []), settings(10))
    only_composed = draw_queries(PoolSources([], [], PRODUCTS, [], [ComposedQuery("lamp")]), settings(10))
    assert len(only_log) == len(only_composed) == 10


def test_the_times_that_a_query_is_drawn_stand_together() -> None:
    drawn = draw_queries(PoolSources(log("own", 7), log("own", 4), PRODUCTS, []), settings(50))
    texts = [query.text for query, _ in groupby(drawn, key=lambda query: query)]
    assert len(drawn) == 50
    assert len([text for text, _ in groupby(query.text for query in drawn)]) == len(set(texts)) == 7


def test_frequent_queries_are_drawn_more_often() -> None:
    queries = [LoggedQuery(f"query {n}", weight=100.0 if n < 10 else 1.0) for n in range(200)]
    drawn = [query.text for query in draw_queries(PoolSources(queries, [], PRODUCTS, []), settings(10))]
    assert len(drawn) == len(set(drawn)) == 10
    assert sum(int(query.split()[1]) < 10 for query in drawn) >= 5
