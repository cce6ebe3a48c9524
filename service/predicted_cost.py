"""What a text or a known product will cost in tokens: enough to admit by, before anything is tokenised."""

from __future__ import annotations

from typing import Final

from relevance.product import Product, field_text
from relevance.template import Template

CHARS_PER_TOKEN = 4
"""Of product titles in Latin script, spaces included; the true cost replaces the guess after tokenising."""

KNOWN_COST: Final = 2
"""Tokens' worth of work for a pair of a split student whose product's record is known: 128 run together at most, more
go to several sessions."""


def guess_query(query: str, template: Template) -> int:
    """Tokens that the model will read of `query`."""
    return _guess(query, template.query_max_tokens)


def guess_product(product: Product, template: Template) -> int:
    """Tokens that the model will read of `product`."""
    return sum(_guess(field_text(product, budget.field), budget.max_tokens) for budget in template.fields)


def _guess(text: str, budget: int) -> int:
    return min(budget, -(-len(text) // CHARS_PER_TOKEN))
