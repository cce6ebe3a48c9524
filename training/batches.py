"""Batches of whole query groups, bucketed by length, in an order that only the seed and the epoch decide."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from relevance.pair_encoding import EncodedPair, pad_pairs

BUCKET_BATCHES = 50
"""Batches that are sorted by length together: enough to cut padding, few enough to stay random."""


@dataclass(frozen=True, slots=True)
class PairGroup:
    """Pairs of one query with one target each (a soft label or a teacher logit)."""

    pairs: Sequence[EncodedPair]
    targets: npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Model inputs (n, length), targets (n,) and the query number of each pair (n,).

    `judged` tells human soft labels from a model's logits.
    """

    input_ids: Tensor
    attention_mask: Tensor
    token_type_ids: Tensor
    targets: Tensor
    group: Tensor
    judged: bool = False

    def __len__(self) -> int:
        return len(self.targets)

    def to(self, device: torch.device) -> Batch:
        """The batch with its targets and groups on `device`, where the loss is computed."""
        return replace(self, targets=self.targets.to(device), group=self.group.to(device))


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
        judged,
    )


def plan_epoch(lengths: Sequence[int], sizes: Sequence[int], pairs_per_batch: int, seed: int) -> list[list[int]]:
    """Cut groups 0 … g−1 into batches of about `pairs_per_batch` pairs, each group once.

    `lengths[i]` is the longest pair of group i, `sizes[i]` its number of pairs. Groups are shuffled,
    sorted by length inside buckets of BUCKET_BATCHES batches, cut, and the batches shuffled again.
    """
    rng = random.Random(seed)
    order = list(range(len(lengths)))
    rng.shuffle(order)
    mean_size = max(1.0, sum(sizes) / max(1, len(sizes)))
    bucket = max(1, round(BUCKET_BATCHES * pairs_per_batch / mean_size))
    batches: list[list[int]] = []
    for start in range(0, len(order), bucket):
        nearby = sorted(order[start : start + bucket], key=lambda index: lengths[index])
        batches.extend(_cut(nearby, sizes, pairs_per_batch))
    rng.shuffle(batches)
    return batches


def _cut(groups: Sequence[int], sizes: Sequence[int], pairs_per_batch: int) -> Iterator[list[int]]:
    batch: list[int] = []
    pairs = 0
    for index in groups:
        if batch and pairs + sizes[index] > pairs_per_batch:
            yield batch
            batch, pairs = [], 0
        batch.append(index)
        pairs += sizes[index]
    if batch:
        yield batch
