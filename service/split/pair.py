"""One pair of a split student, and what it costs: a known product some hundredth of one that has to be encoded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from relevance.pair_encoding import EncodedText
from relevance.product_record import ProductRecord
from relevance.split_pair import ProductText
from service.predicted_cost import KNOWN_COST

RUN_COST: Final = 4
"""The same for a run of the joint graph, however few its pairs."""

SPECIAL_TOKENS: Final = 2
"""[CLS] and [SEP] around either side."""


@dataclass(frozen=True, slots=True)
class QueryText(EncodedText):
    """A query's token ids, with a key of these and the model's version."""

    key: bytes = b""


@dataclass(frozen=True, slots=True)
class CatalogueText(ProductText):
    """A product that was named by its id: only the catalogue's record has its tokens."""

    product_id: str = ""


@dataclass(slots=True, eq=False)
class SplitPair:
    """One pair; `record` None: the product has to be encoded first. `known_cost` is its cost where it has not."""

    query: QueryText
    product: ProductText
    record: ProductRecord | None
    known_cost: int = KNOWN_COST
    cost: int = field(init=False)

    def __post_init__(self) -> None:
        self.cost = len(self.product.ids) + SPECIAL_TOKENS if self.record is None else self.known_cost

    def __len__(self) -> int:
        """Tokens of `[CLS] query [SEP] product [SEP]`, as a cross-encoder counts them."""
        product = len(self.product.ids) + SPECIAL_TOKENS if self.record is None else len(self.record)
        return len(self.query.ids) + product + 1

    @property
    def dropped(self) -> tuple[tuple[str, int], ...]:
        """What the template's budgets cut of both sides."""
        return self.query.dropped + self.product.dropped

    @property
    def cut(self) -> bool:
        """Whether they cut anything; of a product by its id the record remembers that, though not how much."""
        if self.query.dropped or self.product.dropped:
            return True
        return self.record is not None and self.record.truncated and isinstance(self.product, CatalogueText)


def pair_cost(query: QueryText, products: int, known: bool) -> int:
    """Cost of each of a query's pairs with known products: its share of the run, and of a query not known yet."""
    once = RUN_COST + (0 if known else len(query.ids) + SPECIAL_TOKENS)
    return KNOWN_COST + once // products
