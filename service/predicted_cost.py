"""What a text will cost in tokens, guessed from its characters: enough to admit by, before anything is tokenised."""

from __future__ import annotations

from relevance.product import Product, field_text
from relevance.template import Template

CHARS_PER_TOKEN = 4
"""Of product titles in Latin script, spaces included; the true cost replaces the guess after tokenising."""


def guess_query(query: str, template: Template) -> int:
    """Tokens that the model will read of `query`."""
    return _guess(query, template.query_max_tokens)


def guess_product(product: Product, template: Template) -> int:
    """Tokens that the model will read of `product`."""
    return sum(_guess(field_text(product, budget.field), budget.max_tokens) for budget in template.fields)


def _guess(text: str, budget: int) -> int:
    return min(budget, -(-len(text) // CHARS_PER_TOKEN))
