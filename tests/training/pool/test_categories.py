from __future__ import annotations

import numpy as np

from relevance.product import Product
from tests.training.word_encoder import WordEncoder
from training.pool.categories import Categories


def titles(types: list[str | None], nouns: list[str]) -> list[Product]:
    return [
        Product(title=f"{noun} {n}", product_type=kind) for n, (kind, noun) in enumerate(zip(types, nouns, strict=True))
    ]


def categories(products: list[Product], seed: int = 0) -> Categories:
    return Categories(products, WordEncoder().encode_products(products), seed)


def test_a_category_is_a_product_type_however_it_is_written() -> None:
    products = titles(["Shoe", "lamp", " shoe", "lamp", "hub"], ["a", "b", "c", "d", "e"])
    found = categories(products)
    assert [found.of(row).tolist() for row in range(5)] == [[0, 2], [1, 3], [0, 2], [1, 3], [4]]


def test_a_product_without_a_type_joins_the_nearest() -> None:
    products = titles(["shoe", "lamp", None, "", "lamp"], ["shoe", "lamp", "shoe", "lamp", "lamp"])
    found = categories(products)
    assert found.of(0).tolist() == [0, 2]
    assert found.of(3).tolist() == [1, 3, 4]


def test_without_any_type_near_products_stand_together() -> None:
    products = titles([None] * 40, ["shoe"] * 20 + ["lamp"] * 20)
    found = categories(products)
    members = [found.of(row).tolist() for row in range(40)]
    assert all(row in members[row] for row in range(40))
    same = np.mean([np.mean([(other < 20) == (row < 20) for other in members[row]]) for row in range(40)])
    assert same > 0.9
    assert [categories(products).of(row).tolist() for row in range(40)] == members


def test_one_product_is_a_category_of_its_own() -> None:
    assert categories([Product(title="lamp")]).of(0).tolist() == [0]
