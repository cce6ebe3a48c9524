"""The labelled pool as the student's batches, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from relevance.pair_encoding import EncodedText, PairEncoder
from relevance.product import Product
from training.config import StudentSettings
from training.models.cross_encoder import Logits
from training.optimise.batches import Batch, EpochPlan, GroupNumbers, PairGroup, collate, plan_epoch
from training.optimise.divergence import name_queries
from training.pool import Pool
from training.student.auxiliary import RepeatedWords

GROUPS_AT_ONCE = 1 << 15
"""How many queries' pairs are looked at together to tell the longest of each."""


class PoolBatches:
    """The labelled pool as batches: whole queries, several epochs, each in its own order.

    For a part of the queries of each epoch (`title_only_share`) the products are rendered by their title
    alone, so that the student also serves shops that send nothing else. In memory are the products' tokens
    and a few numbers for each query; pairs and labels are read where they lie, queries encoded when asked for.
    """

    def __init__(self, pool: Pool, labels: Logits, encoder: PairEncoder, settings: StudentSettings, seed: int) -> None:
        self._pool, self._labels, self._encoder = pool, labels, encoder
        self._words = RepeatedWords(settings.template) if settings.auxiliary_weights else None
        self._full = encoder.encode_products(pool.products)
        self._bare = encoder.encode_products([_title_only(product) for product in pool.products])
        lengths, sizes = longest_of_groups([len(text.ids) for text in self._full], pool), np.diff(pool.starts)
        limit = settings.max_steps or sys.maxsize
        self._wanted = settings.epochs
        self._epochs: list[tuple[EpochPlan, npt.NDArray[np.bool_]]] = []
        self._ends: list[int] = []
        for epoch in range(settings.epochs):
            if self._ends and self._ends[-1] >= limit:
                break
            plan = plan_epoch(lengths, sizes, settings.pairs_per_batch, seed + epoch)
            bare = np.random.default_rng((seed, epoch)).random(len(sizes)) < settings.title_only_share
            self._epochs.append((plan, bare))
            self._ends.append(min(limit, len(plan) + (self._ends[-1] if self._ends else 0)))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, step: int) -> Batch:
        epoch, groups = self._place(step)
        rows = [self._pool.groups[group] for group in groups.tolist()]
        texts = [self._pool.queries[self._pool.query_of[r.start]] for r in rows]
        queries = self._encoder.encode_queries(texts)
        chosen = [
            self._group((text, query), r, title_only)
            for text, query, r, title_only in zip(texts, queries, rows, self._epochs[epoch][1][groups], strict=True)
        ]
        return collate(chosen, self._encoder.pad_id)

    def describe(self, step: int) -> str:
        """The epoch and the queries of a step's batch, for an error message."""
        epoch, groups = self._place(step)
        texts = (self._pool.queries[self._pool.query_of[row]] for row in self._pool.starts[groups])
        return f"epoch {epoch + 1} of {self._wanted}, {name_queries(texts)}"

    def _place(self, step: int) -> tuple[int, GroupNumbers]:
        """The epoch of a step, from 0, and the groups of its batch."""
        if not 0 <= step < len(self):
            raise IndexError(f"there is no batch {step} of {len(self)}")
        epoch = bisect_right(self._ends, step)
        return epoch, self._epochs[epoch][0][step - (self._ends[epoch - 1] if epoch else 0)]

    def _group(self, query: tuple[str, EncodedText], rows: slice, title_only: bool) -> PairGroup:
        (text, encoded), numbers = query, self._pool.product_of[rows].tolist()
        shown = self._bare if title_only else self._full
        pairs = self._encoder.pairs(encoded, [shown[number] for number in numbers])
        human = None if self._pool.human is None else self._pool.human[rows]
        return PairGroup(pairs, self._labels[rows], human, self._auxiliary(text, numbers, title_only))

    def _auxiliary(self, query: str, numbers: Sequence[int], title_only: bool) -> npt.NDArray[np.float32] | None:
        """Targets of the auxiliary tasks, of what the student is shown; None without such tasks."""
        if self._words is None:
            return None
        products = [self._pool.products[number] for number in numbers]
        return self._words.targets(query, [_title_only(product) for product in products] if title_only else products)


def _title_only(product: Product) -> Product:
    """What is left of it for a shop that sends nothing but titles."""
    return Product(title=product.title)


def longest_of_groups(product_lengths: npt.ArrayLike, pool: Pool) -> npt.NDArray[np.int32]:
    """The length (groups,) of the longest product of each query, from those of all products, block by block."""
    lengths = np.asarray(product_lengths, dtype=np.int32)
    longest = np.zeros(len(pool.groups), dtype=np.int32)
    for first in range(0, len(longest), GROUPS_AT_ONCE):
        starts = pool.starts[first : first + GROUPS_AT_ONCE + 1]
        rows = pool.product_of[starts[0] : starts[-1]]
        longest[first : first + GROUPS_AT_ONCE] = np.maximum.reduceat(lengths[rows], starts[:-1] - starts[0])
    return longest
