from __future__ import annotations

import pytest
from pydantic import ValidationError

from relevance.product import Product, field_text


def test_only_the_title_is_required() -> None:
    assert Product(title="Oak table").model_dump(exclude_defaults=True) == {"title": "Oak table"}


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"title": ""},
        {"title": None},
        {"title": 3},
        {"title": "a", "price": 3},
        {"title": "a", "prior": float("nan")},
        {"title": "a", "prior": float("inf")},
        {"title": "a", "attributes": {"width": float("nan")}},
        {"title": "a", "attributes": ["x"]},
    ],
)
def test_bad_products_are_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Product.model_validate(content)


def test_attributes_are_read_as_name_and_value() -> None:
    product = Product(title="a", attributes={"length": 2.5, "wireless": True, "ports": 4, "kind": "hub"})
    assert field_text(product, "attributes") == "length: 2.5, wireless: yes, ports: 4, kind: hub"


def test_a_blank_attribute_reads_as_none() -> None:
    product = Product(title="a", attributes={"assembly": "", "fabric": "linen", "warranty": " \t", "legs": 0})
    assert field_text(product, "attributes") == "fabric: linen, legs: 0"


def test_an_absent_field_reads_as_nothing() -> None:
    product = Product(title="a")
    assert field_text(product, "brand") == ""
    assert field_text(product, "attributes") == ""
