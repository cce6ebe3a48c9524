"""An encoder without a model: a product's record follows from its title."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from export.catalogue_build import Encoding
from relevance.product import Product
from relevance.product_record import ProductRecord, RecordKeys


class FakeEncoder:
    def __init__(self, version: str = "encoder-1", width: int = 8) -> None:
        self.version = version
        self.width = width
        self.encoded = 0
        self._keys = RecordKeys(version)

    def begin(self, products: Sequence[Product]) -> Encoding:
        encoded = self.encode(products)
        return lambda: encoded

    def encode(self, products: Sequence[Product]) -> list[tuple[bytes, ProductRecord]]:
        self.encoded += len(products)
        return [self.encode_one(product.title) for product in products]

    def encode_one(self, title: str) -> tuple[bytes, ProductRecord]:
        ids = np.frombuffer(title.encode(), np.uint8).astype(np.uint32)
        latents = np.tile(ids.astype(np.int8)[:, None], (1, self.width))
        return self._keys.key(ids.tolist()), ProductRecord(ids, latents)
