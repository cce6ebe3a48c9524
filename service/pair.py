"""What the engine knows of a pair, whatever kind of model reads it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from relevance.pair_encoding import EncodedText, PairEncoder


class Pair(Protocol):
    """One query and one product, tokenised. Its length is the number of tokens that the model reads of it."""

    def __len__(self) -> int: ...

    @property
    def dropped(self) -> tuple[tuple[str, int], ...]:
        """What the template's budgets cut: (field name or "query", number of tokens)."""

    @property
    def cost(self) -> int:
        """Its share of a micro-batch's tokens: what the model has to compute for it now."""


class UnknownProduct:
    """Stands where the catalogue does not know a product's id."""

    dropped: tuple[tuple[str, int], ...] = ()
    cost = 0

    def __len__(self) -> int:
        return 0


UNKNOWN = UnknownProduct()


class Pairing(Protocol):
    """Makes a request's pairs of its tokenised parts."""

    @property
    def encoder(self) -> PairEncoder:
        """What tokenises the parts."""

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """The text of each product of the catalogue, None where it does not know the id."""

    async def pairs(self, query: EncodedText, products: Sequence[EncodedText | None]) -> list[Pair]:
        """One pair for each product, in their order; UNKNOWN where there is none."""


class CrossPairing:
    """The pairs of a cross-encoder: query and product in one row."""

    def __init__(self, encoder: PairEncoder) -> None:
        self.encoder = encoder

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """None for each: it has no catalogue."""
        return [None for _ in ids]

    async def pairs(self, query: EncodedText, products: Sequence[EncodedText | None]) -> list[Pair]:
        """One pair for each product, in their order; UNKNOWN where there is none."""
        return [UNKNOWN if product is None else self.encoder.pair(query, product) for product in products]
