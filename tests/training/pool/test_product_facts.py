from __future__ import annotations

import pytest

from relevance.product import Product
from training.pool.product_facts import read_facts


def test_each_field_says_what_it_is_good_for() -> None:
    product = Product(
        title="ACME TrailMaster 15.6 Rucksack",
        brand="ACME",
        product_type="Bags > Laptop Backpacks",
        color="Navy/Black",
        gender="male",
        attributes={
            "material": "Nylon",
            "screen size": "15.6 inch",
            "size": 9,
            "pockets": 4,
            "waterproof": True,
            "rechargeable": "Yes",
            "wheels": "no",
            "compatibility": "for ThinkPad X1, others",
            "price": "USD 39.90",
            "care": "wash it by hand in cold water and let it dry",
        },
    )
    facts = read_facts(product)
    assert facts is not None
    assert facts.noun == "laptop backpacks"
    assert facts.traits == ("acme", "navy", "nylon", "waterproof", "rechargeable")
    assert facts.values == facts.traits[1:]
    assert facts.measures == ("15.6 inch", "size 9", "4 pockets")
    assert facts.compatible == ("thinkpad x1",)
    assert (facts.audience, facts.price) == ("men", 39.9)


@pytest.mark.parametrize(
    ("value", "price"),
    [("$1,299.00", 1299.0), ("3,000,000", 3e6), ("12,50 or so", 12.0), ("1,2999", 1.0), (1299.5, 1299.5), (0, None)],
)
def test_a_price_may_have_thousands_separators(value: str | float, price: float | None) -> None:
    facts = read_facts(Product(title="sofa", attributes={"price": value}))
    assert facts is not None
    assert facts.price == price


def test_a_title_alone_gives_the_noun() -> None:
    for title in ("Acme Trail Running Shoe, size 9", "Acme running shoe with laces", "Acme Running Shoe 42 cm - red"):
        facts = read_facts(Product(title=title))
        assert facts is not None
        assert facts.noun == "running shoe"


def test_a_product_without_a_word_has_no_facts() -> None:
    assert read_facts(Product(title="12345")) is None
    assert read_facts(Product(title="12345", product_type="n/a")) is None


@pytest.mark.parametrize(
    ("value", "measures"),
    [
        (4006381333931, ()),
        ("4006381333931", ()),
        (4006381333931.0, ()),
        (250000, ("250000 ean",)),
        (123456.7, ("123457 ean",)),
        (0.00005, ("0.00005 ean",)),
        (12.700000000000001, ("12.7 ean",)),
        (7.0, ("7 ean",)),
        ("15.6 inch", ("15.6 inch",)),
    ],
)
def test_numbers_are_written_in_full_and_those_of_articles_are_no_measure(
    value: str | float, measures: tuple[str, ...]
) -> None:
    facts = read_facts(Product(title="sofa", attributes={"EAN": value}))
    assert facts is not None
    assert facts.measures == measures
