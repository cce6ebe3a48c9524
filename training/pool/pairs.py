"""The pool: unlabelled (query, product) pairs, far more than the judged ones, for the teacher to label.

Texts (queries and the catalogue) are in memory; pairs are columns on disk, memory-mapped, so that a pool of
ten million pairs needs no more memory than its texts. `drawing.py` makes one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from relevance.product import Product
from training.pool.files import read_pairs, read_products, read_queries
from training.run_directory import Stage

PAIRS_AT_ONCE = 1 << 18
"""How many pairs a walk over a whole column holds in memory."""

Integers = npt.NDArray[np.integer[Any]]


class Source(IntEnum):
    """Why a pair is in the pool."""

    UNRECORDED = 0
    JUDGED = 1
    LEXICAL = 2
    DENSE = 3
    DISAGREEMENT = 4
    CATEGORY = 5
    RANDOM = 6


class Origin(IntEnum):
    """Where a query comes from: the shop's own judgements, log or catalogue, or the rest of the world."""

    UNRECORDED = 0
    JUDGED = 1
    OWN = 2
    COMPOSED = 3
    GENERAL = 4


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What the draw knew of each query: arrays (len(queries),).

    `overlap` is the Jaccard index of the two retrievers' first products, nan where nothing was retrieved.
    """

    origin: npt.NDArray[np.int8]
    misspelt: npt.NDArray[np.bool_]
    overlap: npt.NDArray[np.float32]

    @classmethod
    def unrecorded(cls, queries: int) -> QueryFacts:
        """Facts of queries that were not drawn but given."""
        zeros = np.zeros(queries)
        return cls(zeros.astype(np.int8), zeros.astype(np.bool_), np.full(queries, np.nan, dtype=np.float32))


class Groups:
    """The rows of each query's pairs, as slices that are made when asked for."""

    def __init__(self, starts: npt.NDArray[np.int64]) -> None:
        self._starts = starts

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, number: int) -> slice:
        if not 0 <= number < len(self):
            raise IndexError(f"there is no group {number} in a pool of {len(self)}")
        return slice(int(self._starts[number]), int(self._starts[number + 1]))

    def __iter__(self) -> Iterator[slice]:
        return map(self.__getitem__, range(len(self)))


@dataclass(frozen=True, slots=True)
class Pool:
    """`query_of` and `product_of` (n,) index `queries` and `products`; a query's pairs are contiguous.

    `cosine` (n,) is the bi-encoder's, which retrieval computes anyway; `source` (n,) holds a `Source`.
    `starts` (groups + 1,) holds the first row of each group, and n. `catalogue` is the number of products
    that the pool was drawn from. The columns may be read-only views of files.
    `human` (n,) holds people's soft targets, nan for unjudged pairs, where training asks for them
    (student.with_human_targets).
    """

    queries: Sequence[str]
    products: Sequence[Product]
    query_of: Integers
    product_of: Integers
    cosine: npt.NDArray[np.float32]
    source: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, dtype=np.int8))
    facts: QueryFacts = field(default_factory=lambda: QueryFacts.unrecorded(0))
    catalogue: int = 0
    human: npt.NDArray[np.float32] | None = None
    starts: npt.NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", group_starts(self.query_of))
        if not len(self.source):
            object.__setattr__(self, "source", np.broadcast_to(np.int8(Source.UNRECORDED), len(self.query_of)))
        if not len(self.facts.origin):
            object.__setattr__(self, "facts", QueryFacts.unrecorded(len(self.queries)))
        object.__setattr__(self, "catalogue", self.catalogue or len(self.products))

    def __len__(self) -> int:
        return len(self.query_of)

    @property
    def groups(self) -> Groups:
        """The rows of each query, in order."""
        return Groups(self.starts)

    def blocks(self) -> Iterator[slice]:
        """All rows in order, in slices that are small enough to hold."""
        for start in range(0, len(self), PAIRS_AT_ONCE):
            yield slice(start, min(start + PAIRS_AT_ONCE, len(self)))


def group_starts(query_of: Integers) -> npt.NDArray[np.int64]:
    """The rows (groups + 1,) at which the query changes, then the number of rows; walked block by block."""
    starts = [np.zeros(min(1, len(query_of)), dtype=np.int64)]
    for start in range(1, len(query_of), PAIRS_AT_ONCE):
        block = query_of[start - 1 : start + PAIRS_AT_ONCE]
        starts.append(start + np.flatnonzero(block[1:] != block[:-1]))
    return np.concatenate([*starts, [len(query_of)]])


def manifest_of(pool: Pool) -> dict[str, int]:
    """The sizes that `load_pool` checks."""
    sizes = {"pairs": len(pool), "queries": len(pool.queries), "products": len(pool.products)}
    return {**sizes, "catalogue": pool.catalogue}


def load_pool(stage: Stage) -> Pool:
    """Open a finished pool; RunDirectoryError if its files do not match its manifest."""
    return open_pool(stage, stage.manifest(needs=("queries", "pairs", "products", "catalogue")))


def open_pool(stage: Stage, manifest: dict[str, Any]) -> Pool:
    """Open the pool's files, whose sizes `manifest` tells."""
    table = read_queries(stage.directory, manifest["queries"])
    facts = QueryFacts(table.origin, table.misspelt, table.overlap)
    pairs = read_pairs(stage.directory, manifest["pairs"])
    products = read_products(stage.directory, manifest["products"])
    return Pool(table.texts, products, *pairs, facts=facts, catalogue=manifest["catalogue"])
