from __future__ import annotations

import random

from relevance.product import Product
from training.pool.composers import compose_products, compose_queries

SHELF = ["red running shoe", "blue running shoe", "red trail shoe", "usb c cable", "usb c hub", "oak side table"]


def test_composed_queries_are_phrases_that_several_products_share() -> None:
    products = [Product(title=title) for title in SHELF * 2]
    queries = compose_queries(products, 10, random.Random(0))
    assert queries
    assert all(any(query in title for title in SHELF) for query in queries)
    assert "oak side table" in compose_queries([Product(title="oak side table")], 50, random.Random(0))


def test_composed_products_hold_words_of_their_query() -> None:
    queries = ["red trail shoe", "usb c cable"]
    titles = [product.title.lower() for product in compose_products(queries, 5, random.Random(0))]
    assert sum("shoe" in title for title in titles) >= 3
    assert compose_products([], 5, random.Random(0)) == []
