from __future__ import annotations

import random
import re

import pytest

from relevance.product import Product
from training.pool.query_composers import PRICE_POINTS, compose_from_attributes

SHOE = Product(
    title="shoe",
    brand="Acme",
    product_type="running shoe",
    color="red",
    gender="women",
    attributes={"size": 9, "closure": "laces", "price": 42, "fits": "wide feet"},
)
OTHER = SHOE.model_copy(update={"color": "blue", "attributes": {"closure": "velcro"}})


def queries(*products: Product) -> list[str]:
    return compose_from_attributes(products, 2000, random.Random(0))


@pytest.mark.parametrize(
    "form",
    [
        "running shoe",
        "acme running shoe",
        "red running shoe",
        "running shoe size 9",
        "running shoe for wide feet",
        "womens running shoe",
        "running shoe for women",
        "2 pack running shoe",
        "running shoe pack of 2",
        "running shoe without velcro",
        "running shoe under 50",
        "running shoe acme",
    ],
)
def test_shoppers_forms_are_composed(form: str) -> None:
    assert form in queries(SHOE, OTHER)


def test_a_price_is_a_round_one_above_the_products() -> None:
    limits = {int(found) for query in queries(SHOE) for found in re.findall(r"(?:under|below|than) \$?(\d+)", query)}
    assert limits == {50, 75, 100}
    assert {*limits} < {*PRICE_POINTS}


def test_nothing_is_asked_for_twice_nor_asked_to_be_absent_that_the_product_has() -> None:
    for query in queries(SHOE, OTHER):
        assert query.count("running shoe") == 1
        assert query.count("red") <= 1
        assert query.count("velcro") <= 1
    # It is alone, so there is nothing that others of its kind have and it has not.
    assert not [query for query in queries(SHOE) if {"without", "not", "no"} & set(query.split())]


def test_queries_are_distinct_as_many_as_asked_for_and_follow_from_the_seed() -> None:
    some = compose_from_attributes([SHOE, OTHER], 30, random.Random(1))
    assert len(some) == len(set(some)) == 30
    assert some == compose_from_attributes([SHOE, OTHER], 30, random.Random(1))
    assert some != compose_from_attributes([SHOE, OTHER], 30, random.Random(2))
    # Most queries are short.
    assert sum(len(query.split()) <= 5 for query in some) > 15


def test_a_catalogue_that_says_nothing_gives_nothing() -> None:
    assert compose_from_attributes([Product(title="12345")], 10, random.Random(0)) == []
    assert len(compose_from_attributes([Product(title="lamp")], 10_000, random.Random(0))) < 10_000
