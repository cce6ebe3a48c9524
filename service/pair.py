"""What the engine knows of a pair, whatever kind of model reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from relevance.pair_encoding import EncodedPair, EncodedText, PairEncoder


class Pair(Protocol):
    """One query and one product, tokenised. Its length is the number of tokens that the model reads of it."""

    def __len__(self) -> int: ...

    @property
    def dropped(self) -> tuple[tuple[str, int], ...]:
        """What the template's budgets cut: (field name or "query", number of tokens)."""

    @property
    def cut(self) -> bool:
        """Whether they cut anything."""

    @property
    def cost(self) -> int:
        """Its share of a micro-batch's tokens: what the model has to compute for it now."""


def sample_pairs(length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
    """`count` pairs of `length` tokens of a cross-encoder, all of them `token_id`, to warm and measure it with."""
    return [EncodedPair((token_id,) * length, (0,) * length)] * count


@dataclass(frozen=True, slots=True)
class MissingProduct:
    """Stands where a product that was named by its id can not be scored; `code` and `detail` go into the reply."""

    code: str
    detail: str

    dropped = ()
    cut = False
    cost = 0

    def __len__(self) -> int:
        return 0


UNKNOWN = MissingProduct("unknown_product", "The catalogue holds no product of this id; send its title.")
UNREADABLE = MissingProduct(
    "unreadable_product", "The catalogue's record of this product cannot be read now; send its title."
)


class Pairing(Protocol):
    """Makes a request's pairs of its tokenised parts."""

    @property
    def encoder(self) -> PairEncoder:
        """What tokenises the parts."""

    @property
    def catalogue(self) -> str | None:
        """What `find` looks in now: another catalogue has another name."""

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """The text of each product of the catalogue, None where it does not know the id."""

    async def pairs(
        self,
        queries: Sequence[EncodedText],
        products: Sequence[Sequence[EncodedText | None]],
        seconds_left: float = inf,
    ) -> list[list[Pair]]:
        """For each query one pair for each of its products, in their order; a MissingProduct where there is none.

        `seconds_left`: until the earliest deadline. Where something must be asked for, it bounds the wait.
        """

    def close(self) -> None:
        """Free what it holds."""


class CrossPairing:
    """The pairs of a cross-encoder: query and product in one row."""

    def __init__(self, encoder: PairEncoder) -> None:
        self.encoder = encoder
        self.catalogue: str | None = None

    def find(self, ids: Sequence[str]) -> Sequence[EncodedText | None]:
        """None for each: it has no catalogue."""
        return [None for _ in ids]

    async def pairs(
        self,
        queries: Sequence[EncodedText],
        products: Sequence[Sequence[EncodedText | None]],
        seconds_left: float = inf,
    ) -> list[list[Pair]]:
        """For each query one pair for each of its products, in their order; UNKNOWN where there is none."""
        return [self._pairs(query, own) for query, own in zip(queries, products, strict=True)]

    def close(self) -> None:
        """It holds nothing."""

    def _pairs(self, query: EncodedText, products: Sequence[EncodedText | None]) -> list[Pair]:
        known = iter(self.encoder.pairs(query, [product for product in products if product is not None]))
        return [UNKNOWN if product is None else next(known) for product in products]
