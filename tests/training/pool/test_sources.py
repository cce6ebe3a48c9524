from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from relevance.product import Product
from training.checks import general_check
from training.config import DistillSettings, PoolSettings
from training.datasets.schema import Dataset, Judgement, LoggedQuery
from training.errors import DataError
from training.pool.sources import compose, gather_sources
from training.splits import Split, apart_from_checks, query_key

SHELF = ["red running shoe", "blue running shoe", "red trail shoe", "usb c cable", "usb c hub", "oak side table"]
SETTINGS = DistillSettings(pool=PoolSettings(pairs=4000, synthetic_products=60, synthetic_queries=20))


@pytest.fixture
def split() -> Split:
    products = {str(n): Product(id=str(n), title=title) for n, title in enumerate(SHELF)}
    train = Dataset(
        "d",
        products,
        [Judgement("red shoe", "0", 1.0), Judgement("red shoe", "3", 0.0)],
        (LoggedQuery("usb hub"), LoggedQuery("cables usb")),
    )
    return Split(train, Dataset("d", products, [Judgement("usb cable", "3", 1.0)]))


def test_nothing_held_out_nor_its_twin_is_a_source(split: Split) -> None:
    sources = gather_sources(SETTINGS, split)
    queries = (*sources.own_queries, *sources.general_queries, *sources.composed)
    keys = {query_key(query.text) for query in queries}
    assert query_key("usb cable") not in keys
    assert {"red shoe", "usb hub"} == {query.text for query in sources.own_queries}
    assert not keys & {query_key(query) for query in general_check().by_query()}
    assert sources.judged == [("red shoe", [0, 3])]
    assert len(sources.composed) > 10


def test_a_judged_query_that_the_general_check_asks_too_is_no_source(split: Split) -> None:
    check = next(iter(general_check().by_query()))
    twin = " ".join(reversed(check.split()))
    leaking = replace(split, train=replace(split.train, judgements=[*split.train.judgements, Judgement(twin, "0", 1)]))
    with pytest.raises(DataError, match=f"training query '{twin}' is a near-duplicate of the held-out '{check}'"):
        gather_sources(SETTINGS, leaking)
    assert [query for query, _ in gather_sources(SETTINGS, apart_from_checks(leaking)).judged] == ["red shoe"]


def test_a_slip_does_not_let_a_held_out_query_in() -> None:
    # Everything that this catalogue can be asked for is held out: nothing is left to misspell.
    products = [Product(title="lampshade", product_type="lampshade")]
    settings = DistillSettings(pool=PoolSettings(misspelt_share=1.0, attribute_share=0.0))
    assert {query.text for query in compose(products, 50, settings, [])} != {"lampshade"}
    assert compose(products, 50, settings, ["Lampshades"]) == []


def test_a_slip_does_not_make_a_held_out_query() -> None:
    products = [Product(title="table cloth", product_type="table cloth")]
    settings = DistillSettings(pool=PoolSettings(misspelt_share=1.0, attribute_share=0.0))
    # The missing space is the only slip that gives this.
    seeds = [settings.model_copy(update={"seed": seed}) for seed in range(30)]
    assert "tablecloth" in {query.text for seed in seeds for query in compose(products, 9, seed, [])}
    assert "tablecloth" not in {query.text for seed in seeds for query in compose(products, 9, seed, ["tablecloth"])}


def test_some_of_the_composed_queries_are_misspelt_and_say_so() -> None:
    products = [
        Product(title=f"{color} {noun}") for color in ("red", "blue") for noun in ("running shoe", "table lamp")
    ]
    settings = DistillSettings(pool=PoolSettings(misspelt_share=0.3))
    composed = compose(products, 120, settings, [])
    words = {word for query in composed if not query.misspelt for word in query.text.split()}
    assert 0.1 < np.mean([query.misspelt for query in composed]) < 0.5
    assert all(set(query.text.split()) - words for query in composed if query.misspelt)
    assert composed == compose(products, 120, settings, [])
