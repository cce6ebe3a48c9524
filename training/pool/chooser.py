"""The candidates of a block of queries: encoded and retrieved for together, chosen one query at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from training.config import DistillSettings
from training.pool.blocks import Block, BlockStore
from training.pool.candidates import Retrieved, choose_candidates, overlap, slots_of
from training.pool.categories import Categories
from training.pool.pairs import Source
from training.pool.queries import DrawnQuery, PoolSources
from training.pool.retrievers import Bm25, Vectors, dense_top


class TextEncoder(Protocol):
    """What the draw needs of `training.models.bi_encoder.BiEncoder`; rows are comparable by dot product."""

    def encode(self, texts: Sequence[str], /) -> Vectors: ...

    def encode_products(self, products: Sequence[Product], /) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class Draw:
    """Everything that a block needs: the plan (judged groups first) and the retrievers."""

    sources: PoolSources
    queries: Sequence[DrawnQuery]
    settings: DistillSettings
    encoder: TextEncoder
    store: BlockStore


class Chooser:
    """Retrieves and chooses the candidates of a block's queries."""

    def __init__(self, draw: Draw, vectors: Vectors) -> None:
        self._draw, self._vectors = draw, vectors
        products = draw.sources.products
        self._bm25 = Bm25([product.title for product in products])
        self._categories = Categories(products, vectors, draw.settings.seed)
        self._slots = slots_of(draw.settings.pool)

    def block(self, rows: range) -> Block:
        """The pairs of queries `rows`; each distinct text is encoded and retrieved for once."""
        texts = list(dict.fromkeys(self._draw.queries[row].text for row in rows))
        at = {text: place for place, text in enumerate(texts)}
        query_vectors = self._draw.encoder.encode(texts)
        retrieved = self._retrieve(texts, query_vectors)
        places = [at[self._draw.queries[row].text] for row in rows]
        products: list[list[int]] = []
        sources: list[Source] = []
        cosines: list[npt.NDArray[np.float32]] = []
        for row, place in zip(rows, places, strict=True):
            candidates, why = self._candidates(row, retrieved[place])
            products.append(candidates)
            sources += why
            cosines.append(self._vectors[candidates] @ query_vectors[place])
        return Block(
            sizes=np.array([len(candidates) for candidates in products], dtype=np.int32),
            product=np.array([product for candidates in products for product in candidates], dtype=np.int32),
            cosine=np.concatenate(cosines).astype(np.float32),
            source=np.array(sources, dtype=np.int8),
            overlap=self._overlaps(rows, [retrieved[place] for place in places]),
        )

    def _retrieve(self, texts: Sequence[str], query_vectors: Vectors) -> list[Retrieved]:
        depth = self._draw.settings.pool.retrieval_depth
        lexical, dense = self._bm25.matches(texts, depth), dense_top(query_vectors, self._vectors, depth)
        return [Retrieved(a, b, self._categories.of(int(b[0]))) for a, b in zip(lexical, dense, strict=True)]

    def _candidates(self, row: int, retrieved: Retrieved) -> tuple[list[int], list[Source]]:
        """The product rows of query `row`, and why each is one; judged ones just as they were judged."""
        judged = self._draw.sources.judged
        if row < len(judged):
            products = list(judged[row][1])
            return products, [Source.JUDGED] * len(products)
        rng = np.random.default_rng((self._draw.settings.seed, row))
        chosen = choose_candidates(retrieved, self._slots, len(self._vectors), rng)
        return list(chosen), list(chosen.values())

    def _overlaps(self, rows: range, retrieved: Sequence[Retrieved]) -> npt.NDArray[np.float32]:
        judged = len(self._draw.sources.judged)
        pairs = zip(rows, retrieved, strict=True)
        values = [np.nan if row < judged else overlap(found.lexical, found.dense) for row, found in pairs]
        return np.array(values, dtype=np.float32)
