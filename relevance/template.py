"""Template: which fields a model reads, in which order, with how many tokens each."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from relevance.product import ProductField

SPECIAL_TOKENS_PER_PAIR = 3
"""[CLS] query [SEP] product [SEP]"""

LONGEST_PAIR = 512
"""Positions that a BERT-style encoder has."""

Budget = Annotated[int, Field(ge=1, le=LONGEST_PAIR)]


class FieldBudget(BaseModel):
    """One product field and the most tokens of it that the model reads."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: ProductField
    max_tokens: Budget


class Template(BaseModel):
    """The shape of a pair. Budgets are per side and per field, so a long title never cuts the query."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_max_tokens: Budget
    fields: tuple[FieldBudget, ...]

    @model_validator(mode="after")
    def _fields_are_distinct(self) -> Self:
        names = [budget.field for budget in self.fields]
        if not names:
            raise ValueError("a template needs at least one product field")
        if len(set(names)) != len(names):
            raise ValueError(f"a template names each product field once, got {names}")
        if self.max_length > LONGEST_PAIR:
            raise ValueError(f"the budgets add up to {self.max_length} tokens; the longest pair is {LONGEST_PAIR}")
        return self

    @property
    def product_max_tokens(self) -> int:
        """Most product tokens in a pair."""
        return sum(budget.max_tokens for budget in self.fields)

    @property
    def max_length(self) -> int:
        """Most tokens in a pair, special tokens included."""
        return SPECIAL_TOKENS_PER_PAIR + self.query_max_tokens + self.product_max_tokens
