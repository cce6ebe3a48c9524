"""Stands for the bi-encoder, without a model: a text's vector is the mean of its words' random ones."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import numpy.typing as npt

from relevance.product import Product


class WordEncoder:
    """Remembers the sizes of what it was asked for, to tell how much is worked on at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def encode(self, texts: Sequence[str], /) -> npt.NDArray[np.float32]:
        self.asked.append(len(texts))
        rows = [sum(word_vector(word) for word in text.lower().split()) for text in texts]
        vectors = np.array(rows, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def encode_products(self, products: Sequence[Product], /) -> npt.NDArray[np.float32]:
        return self.encode([product.title for product in products])


def word_vector(word: str) -> npt.NDArray[np.float64]:
    return np.random.default_rng(crc32(word.encode())).normal(size=64)
