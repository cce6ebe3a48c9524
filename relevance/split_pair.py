"""The pair rule of a split student: each side by itself, the product side under the key of its record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from relevance.pair_encoding import EncodedText, PairEncoder
from relevance.product import Product
from relevance.product_record import RecordKeys
from relevance.template import Template


@dataclass(frozen=True, slots=True)
class ProductText(EncodedText):
    """A product's token ids with the `key` of its record."""

    key: bytes = b""


class SplitPairEncoder(PairEncoder):
    """The pair rule of a split student, whose encoder has this version."""

    def __init__(self, tokenizer: Tokenizer, template: Template, encoder_version: str) -> None:
        super().__init__(tokenizer, template)
        self._keys = RecordKeys(encoder_version)

    def encode_products(self, products: Sequence[Product]) -> list[EncodedText]:
        """As `PairEncoder`, but each with its record's key: they are `ProductText`."""
        return [
            ProductText(text.ids, text.dropped, self._keys.key(text.ids)) for text in super().encode_products(products)
        ]
