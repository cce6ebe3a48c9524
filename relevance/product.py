"""Product: what a shop knows about one item, and the text of each field that a model may read."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

ProductField = Literal["title", "brand", "product_type", "color", "gender", "description", "attributes"]
"""The fields that a bundle's template can name; `id` and `prior` are never read by a model."""

PRODUCT_FIELDS: tuple[ProductField, ...] = get_args(ProductField)

AttributeValue = str | bool | int | Annotated[float, Field(allow_inf_nan=False)]


class Product(BaseModel):
    """One candidate. Only `title` is required; unknown fields are refused.

    `prior` is the caller's own ranking signal (higher is better): it orders the candidates that a
    deadline leaves unscored, and nothing else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str | None = None
    title: Annotated[str, Field(min_length=1)]
    brand: str | None = None
    product_type: str | None = None
    color: str | None = None
    gender: str | None = None
    description: str | None = None
    attributes: dict[str, AttributeValue] = Field(default_factory=dict)
    prior: Annotated[float, Field(allow_inf_nan=False)] | None = None


def field_text(product: Product, field: ProductField) -> str:
    """Return the text that a model reads for `field`; an absent field is the empty string.

    An attribute whose value is blank is absent too, whoever wrote it down.
    """
    if field == "attributes":
        texts = ((name, attribute_text(value)) for name, value in product.attributes.items())
        return ", ".join(f"{name}: {text}" for name, text in texts if text.strip())
    text: str | None = getattr(product, field)
    return text or ""


def attribute_text(value: AttributeValue) -> str:
    """What a model reads of an attribute's value."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
