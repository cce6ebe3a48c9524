"""First-stage retrievers that propose the pool's candidates. Each returns row numbers (queries, depth)."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import bm25s
import numpy as np
import numpy.typing as npt

# A query of unknown words scores zero everywhere, which is what callers expect of it.
logging.getLogger("bm25s").setLevel(logging.ERROR)

Rows = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
CELLS_PER_BLOCK = 1 << 22
"""How many similarities are held at once: 16 MB of them, and twice that in row numbers."""
WORD = r"(?u)\b\w+\b"
"""Words of one letter too: sizes and models differ by them."""


class Bm25:
    """BM25 over product texts (Lucene's variant, k1 = 1.5, b = 0.75), English stop words kept."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._index = bm25s.BM25()
        self._size = len(texts)
        tokens = _tokens(texts)
        if not any(tokens):
            # An index of nothing is refused by the library; no query will ever ask for this word.
            tokens[0] = ["\0"]
        self._index.index(tokens, show_progress=False)

    def top(self, queries: Sequence[str], depth: int) -> Rows:
        """Best `depth` rows for each query, best first (fewer if the catalogue is smaller)."""
        rows, _ = self._index.retrieve(
            _tokens(queries), k=min(depth, self._size), show_progress=False, return_as="tuple"
        )
        return np.asarray(rows, dtype=np.int64)

    def matches(self, queries: Sequence[str], depth: int) -> list[Rows]:
        """For each query its best rows, at most `depth`, best first: only those that hold a word of it."""
        rows, scores = self._index.retrieve(
            _tokens(queries), k=min(depth, self._size), show_progress=False, return_as="tuple"
        )
        return [np.asarray(best[score > 0.0], dtype=np.int64) for best, score in zip(rows, scores, strict=True)]

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """The score of every text (size,) for one query; zeros where no word is known."""
        known = [token for token in _tokens([query])[0] if token in self._index.vocab_dict]
        if not known:
            return np.zeros(self._size, dtype=np.float32)
        return np.asarray(self._index.get_scores(known), dtype=np.float32)


def dense_top(query_vectors: Vectors, product_vectors: Vectors, depth: int) -> Rows:
    """Best `depth` products by cosine, best first, from vectors (q, d) and (p, d); blocked to bound memory.

    The result is (q, depth): for many queries call it for a part of them at a time.
    """
    depth = min(depth, len(product_vectors))
    queries_per_block = max(1, CELLS_PER_BLOCK // max(1, len(product_vectors)))
    blocks = []
    for start in range(0, len(query_vectors), queries_per_block):
        similarity = query_vectors[start : start + queries_per_block] @ product_vectors.T
        best = np.argpartition(-similarity, depth - 1, axis=1)[:, :depth]
        order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
        blocks.append(np.take_along_axis(best, order, axis=1))
    return np.concatenate(blocks).astype(np.int64)


def _tokens(texts: Sequence[str]) -> list[list[str]]:
    tokens: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords=[], token_pattern=WORD, return_ids=False, show_progress=False
    )
    return tokens
