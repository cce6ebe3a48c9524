from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from loadtest.shapes import Shapes
from loadtest.shop_workload import Shop
from relevance.product import Product

SHAPES = Shapes.model_validate(
    {
        "candidates": {"5": 1, "20": 1},
        "query_words": {"1": 1, "3": 1},
        "title_words": {"6": 1, "15": 1},
        "description_words": {"0": 1, "40": 1},
        "attributes": {"0": 1, "3": 1},
    }
)
SHOP = Shop(SHAPES, seed=1, queries=200, products=500)


def test_a_seed_draws_the_same_requests_again() -> None:
    assert SHOP.bodies(20) == replace(SHOP).bodies(20)
    assert SHOP.bodies(20) != replace(SHOP, seed=2).bodies(20)


def test_another_stream_asks_the_same_shop_for_other_things() -> None:
    one, other = ({body["query"]: body for body in SHOP.bodies(100, stream)} for stream in (0, 1))
    assert one.keys() != other.keys()
    known = {candidate["id"]: candidate for body in one.values() for candidate in body["candidates"]}
    again = [candidate for body in other.values() for candidate in body["candidates"] if candidate["id"] in known]
    assert again
    assert all(known[candidate["id"]] == candidate for candidate in again)


def test_requests_have_the_shapes() -> None:
    bodies = SHOP.bodies(400)
    assert {len(body["candidates"]) for body in bodies} == {5, 20}
    assert {len(body["query"].split()) for body in bodies} == {1, 3}
    products = [Product.model_validate(candidate) for body in bodies for candidate in body["candidates"]]
    assert {len(product.title.split()) for product in products} == {6, 15}
    assert {len((product.description or "").split()) for product in products} == {0, 40}
    assert {len(product.attributes) for product in products} == {0, 3}
    assert all(product.brand and product.product_type and product.color for product in products)


def test_no_request_holds_a_product_twice() -> None:
    for body in SHOP.bodies(100):
        assert len({candidate["id"] for candidate in body["candidates"]}) == len(body["candidates"])


def test_a_query_finds_the_same_products_in_the_same_order() -> None:
    found: dict[str, list[str]] = {}
    repeated = 0
    shop = replace(SHOP, queries=3, seed=4)
    for body in shop.bodies(60):
        ids = [candidate["id"] for candidate in body["candidates"]]
        before = found.setdefault(body["query"], ids)
        assert before[:5] == ids[:5]
        repeated += before is not ids
    assert repeated > 50


def test_no_two_queries_have_one_text() -> None:
    """They would share each other's scores in a cache."""
    shop = replace(SHOP, queries=2000, zipf=0.0)
    lists: dict[str, list[str]] = {}
    for body in shop.bodies(1500):
        ids = [candidate["id"] for candidate in body["candidates"]][:5]
        assert lists.setdefault(body["query"], ids) == ids
    # Of 2000 equally popular ones, 1500 draws meet about 1055.
    assert 1000 < len(lists) < 1110


def test_popular_queries_and_products_come_again() -> None:
    flat = replace(SHOP, zipf=0.0).bodies(300)
    skewed = replace(SHOP, zipf=1.2).bodies(300)

    def top_share(counts: Counter[str]) -> float:
        return sum(count for _, count in counts.most_common(5)) / counts.total()

    for of in (
        lambda bodies: Counter(str(body["candidates"][:5]) for body in bodies),
        lambda bodies: Counter(candidate["id"] for body in bodies for candidate in body["candidates"]),
    ):
        assert top_share(of(skewed)) > 1.5 * top_share(of(flat))


def test_products_go_whole_or_as_titles_or_ids() -> None:
    whole, titles, ids = (replace(SHOP, products_as=form).bodies(5) for form in ("full", "titles", "ids"))
    for full, titled, named in zip(whole, titles, ids, strict=True):
        assert full["query"] == titled["query"] == named["query"]
        assert [candidate["title"] for candidate in full["candidates"]] == titled["candidates"]
        assert [{"id": candidate["id"]} for candidate in full["candidates"]] == named["candidates"]


def test_a_catalogue_that_is_too_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="79 products are too few for lists of 20: four times as many"):
        Shop(SHAPES, products=79)
