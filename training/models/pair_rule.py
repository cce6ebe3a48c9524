"""What every member of a teacher needs of its input: pairs of texts become token ids by one rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from relevance.pair_encoding import EncodedPair, PairEncoder
from relevance.product import Product


class PairRule(Protocol):
    """From row-aligned queries and products to token ids."""

    @property
    def pad_id(self) -> int: ...

    def encode(self, queries: Sequence[str], products: Sequence[Product]) -> list[EncodedPair]: ...


@dataclass(frozen=True, slots=True)
class EncoderInput:
    """The rule of relevance/pair_encoding.py, which serving uses too."""

    encoder: PairEncoder

    @property
    def pad_id(self) -> int:
        """Token id of [PAD]."""
        return self.encoder.pad_id

    def encode(self, queries: Sequence[str], products: Sequence[Product]) -> list[EncodedPair]:
        """`[CLS] query [SEP] product [SEP]` of each row."""
        distinct = list(dict.fromkeys(queries))
        encoded = dict(zip(distinct, self.encoder.encode_queries(distinct), strict=True))
        rendered = self.encoder.encode_products(products)
        return [self.encoder.pair(encoded[query], product) for query, product in zip(queries, rendered, strict=True)]
