"""Seeded requests of a whole shop: popular queries and products come again, so that caches see what a shop gives them.

A query always finds the same products in the same order, and a request takes as many of the first as it asks
for; the products are drawn by their popularity. Texts are made of the words of `loadtest.workload`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import numpy as np

from loadtest.shapes import Draw, Shapes
from loadtest.workload import BRANDS, COLOURS, DETAILS, KINDS, Body
from loadtest.zipf import Zipf

ProductsAs = Literal["full", "titles", "ids"]
"""A candidate as all that the shop knows of it, as its title, or as its id, for a service that keeps the rest."""

MATERIALS = ("steel", "oak", "cotton", "plastic", "leather", "glass")
WORDS = tuple(sorted({word for text in (*KINDS, *DETAILS) for word in text.split()}))
NOUNS = tuple(sorted({text.split()[-1] for text in KINDS}))

_FOUND, _PRODUCT, _REQUEST, _TEXT = range(1, 5)
"""What a random stream is for: the seed, this and a number name it. A seed sequence takes missing numbers as 0."""


@dataclass(frozen=True)
class Shop:
    """A catalogue and those who search it; equal fields give equal requests.

    ValueError when a catalogue is too small for the longest list: it needs four times as many products.
    """

    shapes: Shapes
    seed: int = 0
    queries: int = 10_000
    products: int = 100_000
    zipf: float = 1.0
    products_as: ProductsAs = "full"

    def __post_init__(self) -> None:
        if 4 * self.shapes.most_candidates > self.products:
            raise ValueError(
                f"{self.products} products are too few for lists of {self.shapes.most_candidates}: four times as many"
            )

    def bodies(self, count: int, stream: int = 0) -> list[Body]:
        """The first `count` requests of a stream; another stream is another day of the same shop."""
        rng = self._rng(_REQUEST, stream)
        asked = self._query_popularity.draw(rng, count).tolist()
        return [self._body(query, size) for query, size in zip(asked, self._sizes(rng, count), strict=True)]

    def _sizes(self, rng: np.random.Generator, count: int) -> Iterator[int]:
        draw = Draw(self.shapes.candidates)
        return (draw.at(share) for share in rng.random(count).tolist())

    def _body(self, query: int, size: int) -> Body:
        return {"query": self._texts[query], "candidates": [self._candidate(one) for one in self._found(query)[:size]]}

    def _found(self, query: int) -> list[int]:
        return self._product_popularity.draw_distinct(self._rng(_FOUND, query), self.shapes.most_candidates)

    def _candidate(self, product: int) -> dict[str, Any] | str:
        if self.products_as == "ids":
            return {"id": f"p{product}"}
        if product not in self._made:
            self._made[product] = self._product(product)
        made = self._made[product]
        return str(made["title"]) if self.products_as == "titles" else made

    def _product(self, product: int) -> dict[str, Any]:
        rng = self._rng(_PRODUCT, product)
        brand, kind, colour = _one(rng, BRANDS), _one(rng, KINDS), _one(rng, COLOURS)
        words = Draw(self.shapes.title_words).at(rng.random())
        title = islice((*brand.split(), *kind.title().split(), *colour.split(), *_some(rng, WORDS, words)), words)
        made: dict[str, Any] = {"id": f"p{product}", "title": " ".join(title)}
        made |= {"brand": brand, "product_type": kind, "color": colour}
        if described := Draw(self.shapes.description_words).at(rng.random()):
            made["description"] = " ".join(_some(rng, WORDS, described))
        if attributes := Draw(self.shapes.attributes).at(rng.random()):
            made["attributes"] = {f"detail {number}": _one(rng, MATERIALS) for number in range(attributes)}
        return made

    def _rng(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng((self.seed, *stream))

    @cached_property
    def _query_popularity(self) -> Zipf:
        return Zipf(self.queries, self.zipf)

    @cached_property
    def _product_popularity(self) -> Zipf:
        return Zipf(self.products, self.zipf)

    @cached_property
    def _texts(self) -> list[str]:
        """Each query's text, no two alike: the words are few, so a text that is taken gets its query's number."""
        draw, rng = Draw(self.shapes.query_words), self._rng(_TEXT)
        taken: dict[str, None] = {}
        for query, share in enumerate(rng.random(self.queries).tolist()):
            text = " ".join((*_some(rng, WORDS, draw.at(share) - 1), _one(rng, NOUNS)))
            taken[f"{text}{query}" if text in taken else text] = None
        return list(taken)

    @cached_property
    def _made(self) -> dict[int, dict[str, Any]]:
        return {}


def _one(rng: np.random.Generator, texts: tuple[str, ...]) -> str:
    return texts[rng.integers(len(texts))]


def _some(rng: np.random.Generator, texts: tuple[str, ...], count: int) -> list[str]:
    return [texts[index] for index in rng.integers(len(texts), size=count)]
