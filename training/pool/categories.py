"""Which products are of one category: where a shopper's near misses stand.

A product's category is its `product_type`. One without a type joins the type whose mean vector is nearest;
where nothing has a type, random products stand for categories and everything joins the nearest of them (one
step of k-means: near misses need no better clusters). A query's category is that of its best dense hit: the
first stage's own guess of what is asked for, which knows synonyms and needs no further model.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from training.pool.retrievers import Rows, Vectors, dense_top


class Categories:
    """A partition of the catalogue: `products` and their `vectors` (p, d)."""

    def __init__(self, products: Sequence[Product], vectors: Vectors, seed: int) -> None:
        types = [(product.product_type or "").strip().casefold() for product in products]
        number_of = {name: number for number, name in enumerate(dict.fromkeys(name for name in types if name))}
        self._category_of = np.array([number_of.get(name, -1) for name in types], dtype=np.int64)
        untyped = np.flatnonzero(self._category_of < 0)
        if len(untyped):
            centres = self._centres(vectors, len(number_of), np.random.default_rng(seed))
            self._category_of[untyped] = dense_top(vectors[untyped], centres, 1)[:, 0]
        self._members = np.argsort(self._category_of, kind="stable")
        self._starts = np.searchsorted(self._category_of[self._members], np.arange(self._category_of.max() + 2))

    def of(self, product: int) -> Rows:
        """The rows of all products of that product's category, itself among them."""
        category = self._category_of[product]
        rows: Rows = self._members[self._starts[category] : self._starts[category + 1]]
        return rows

    def _centres(self, vectors: Vectors, types: int, rng: np.random.Generator) -> Vectors:
        """Unit vectors (categories, d): of the types, else of √p random products."""
        if not types:
            chosen = rng.choice(len(vectors), size=math.isqrt(len(vectors) - 1) + 1, replace=False)
            return _unit(vectors[chosen])
        typed = np.flatnonzero(self._category_of >= 0)
        sums = np.zeros((types, vectors.shape[1]), dtype=np.float32)
        np.add.at(sums, self._category_of[typed], vectors[typed])
        return _unit(sums)


def _unit(vectors: npt.NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return unit
