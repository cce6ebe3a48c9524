"""Finding ids that a file of products names more than once, in 32 bytes a product: less than its index takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from relevance.catalogue.key_table import digests_of_ids
from relevance.product import Product
from relevance.product_row import product_content

ROW: Final = np.dtype([("first", "<u8"), ("second", "<u8"), ("content", "<u8"), ("place", "<u8")])
"""Both halves of the id's digest, a digest of all that the product holds, and its row or line."""


class SeenProducts:
    """The products of a file, taken block by block."""

    def __init__(self) -> None:
        self._blocks: list[npt.NDArray[Any]] = []

    def add(self, products: Sequence[Product], places: Sequence[int]) -> None:
        """Take products, each with an id, and where they are."""
        rows = np.empty(len(products), ROW)
        digests = digests_of_ids([product.id or "" for product in products])
        rows["first"], rows["second"] = digests[:, 0], digests[:, 1]
        rows["content"] = np.frombuffer(b"".join(map(_content, products)), "<u8")
        rows["place"] = places
        self._blocks.append(rows)

    def repeated(self) -> tuple[int, tuple[int, int] | None]:
        """How many products have an earlier one's id, and the first places of an id whose contents differ, if any."""
        rows = np.concatenate([np.empty(0, ROW), *self._blocks])
        rows = rows[np.lexsort((rows["place"], rows["second"], rows["first"]))]
        before, after = rows[:-1], rows[1:]
        same = (before["first"] == after["first"]) & (before["second"] == after["second"])
        other = np.flatnonzero(same & (before["content"] != after["content"]))
        if not len(other):
            return int(same.sum()), None
        row = other[np.argmin(after["place"][other])]
        return int(same.sum()), (int(before["place"][row]), int(after["place"][row]))


def _content(product: Product) -> bytes:
    return hashlib.blake2b(product_content(product).encode("utf-8", "surrogatepass"), digest_size=8).digest()
