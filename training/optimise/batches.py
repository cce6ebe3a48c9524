"""Batches of whole query groups, bucketed by length, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from relevance.pair_encoding import EncodedPair, pad_pairs

BUCKET_BATCHES = 50
"""Batches that are sorted by length together: enough to cut padding, few enough to stay random."""

GroupNumbers = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PairGroup:
    """Pairs of one query with one target each (a soft label or a teacher logit).

    `human` holds the soft targets of people, nan for an unjudged pair; None: no pair is judged. `auxiliary`
    (pairs, tasks) holds targets of further tasks, where there are any. `query` is the text, where the batch source
    can not tell it otherwise.
    """

    pairs: Sequence[EncodedPair]
    targets: npt.NDArray[np.float32]
    human: npt.NDArray[np.float32] | None = None
    auxiliary: npt.NDArray[np.float32] | None = None
    query: str = ""


@dataclass(frozen=True, slots=True)
class Counts:
    """What the losses of a batch are divided by: its pairs, and its queries with at least two products."""

    pairs: int
    queries: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Model inputs (n, length), targets (n,) and the query number of each pair (n,), ascending.

    `human` (n,) holds the soft targets of people, nan where there is no judgement, `auxiliary` (n, tasks) those of
    further tasks, of which there may be none. `judged` tells whether
    `targets` are soft labels or a model's logits. `whole` counts the batch that this one is a part of; None:
    it is no part (see micro_batches.py).
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    targets: Tensor
    group: Tensor
    human: Tensor
    auxiliary: Tensor
    judged: bool = False
    whole: Counts | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        """The batch with what the loss needs on `device`, where it is computed."""
        names = ("targets", "group", "human", "auxiliary")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def pairs(self) -> int | None:
        """What a mean over pairs is divided by, if not by this batch's own."""
        return self.whole.pairs if self.whole else None

    @property
    def queries(self) -> int | None:
        """What a mean over queries is divided by, if not by this batch's own."""
        return self.whole.queries if self.whole else None


def collate(groups: Sequence[PairGroup], pad_id: int, *, judged: bool = False) -> Batch:
    """Pad the pairs of several groups into one batch."""
    padded = pad_pairs([pair for group in groups for pair in group.pairs], pad_id)
    numbers = np.repeat(np.arange(len(groups)), [len(group.pairs) for group in groups])
    return Batch(
        torch.from_numpy(padded.input_ids),
        torch.from_numpy(padded.attention_mask),
        torch.from_numpy(padded.token_type_ids),
        torch.from_numpy(np.concatenate([group.targets for group in groups])),
        torch.from_numpy(numbers),
        torch.from_numpy(np.concatenate([_human(group) for group in groups])),
        torch.from_numpy(np.concatenate([_auxiliary(group) for group in groups])),
        judged,
    )


def _human(group: PairGroup) -> npt.NDArray[np.float32]:
    return np.full(len(group.pairs), np.nan, np.float32) if group.human is None else group.human


def _auxiliary(group: PairGroup) -> npt.NDArray[np.float32]:
    return np.empty((len(group.pairs), 0), np.float32) if group.auxiliary is None else group.auxiliary


class EpochPlan:
    """Batches of group numbers in the order in which they come; two arrays, however many groups there are."""

    def __init__(self, order: GroupNumbers, starts: npt.NDArray[np.int64], turns: npt.NDArray[np.int64]) -> None:
        """Batch b of `order` (g,) goes from `starts[b]` to `starts[b + 1]`; `turns` (batches,) says when it comes."""
        self._order, self._starts, self._turns = order, starts, turns

    def __len__(self) -> int:
        return len(self._turns)

    def __getitem__(self, step: int) -> GroupNumbers:
        batch = self._turns[step]
        return self._order[self._starts[batch] : self._starts[batch + 1]]

    def __iter__(self) -> Iterator[GroupNumbers]:
        return map(self.__getitem__, range(len(self)))


def plan_epoch(lengths: npt.ArrayLike, sizes: npt.ArrayLike, pairs_per_batch: int, seed: int) -> EpochPlan:
    """Cut groups 0 … g−1 into batches of about `pairs_per_batch` pairs, each group once.

    `lengths[i]` is the longest pair of group i, `sizes[i]` its number of pairs. Groups are shuffled,
    sorted by length inside buckets of BUCKET_BATCHES batches, cut, and the batches shuffled again.
    """
    lengths, sizes = np.asarray(lengths), np.asarray(sizes)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(lengths)).astype(np.int32)
    mean_size = max(1.0, float(sizes.mean()) if len(sizes) else 1.0)
    bucket = max(1, round(BUCKET_BATCHES * pairs_per_batch / mean_size))
    starts = [0]
    for start in range(0, len(order), bucket):
        nearby = order[start : start + bucket]
        nearby[:] = nearby[np.argsort(lengths[nearby], kind="stable")]
        starts.extend(start + end for end in _cuts(sizes[nearby], pairs_per_batch))
    return EpochPlan(order, np.array(starts, dtype=np.int64), rng.permutation(len(starts) - 1))


def _cuts(sizes: npt.NDArray[np.integer[Any]], pairs_per_batch: int) -> Iterator[int]:
    """Where batches end that take consecutive groups of these sizes until one more would be too much."""
    ends = np.cumsum(sizes)
    end = 0
    while end < len(ends):
        before = int(ends[end - 1]) if end else 0
        end = max(end + 1, int(np.searchsorted(ends, before + pairs_per_batch, side="right")))
        yield end
