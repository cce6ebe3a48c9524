"""What a teacher's member learns from, in which order, by which loss.

A cross-encoder fitted to a few hundred judged queries forgets what it knew of the rest of the shop. So it
first learns, and is then held to, the bi-encoder's logits on unlabelled pairs of the pool (learning
without forgetting); with warm-up and retention set to zero it learns from the judged pairs alone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from relevance.calibration import Calibration
from training.config import TeacherSettings
from training.datasets.schema import Dataset
from training.models.pair_rule import PairRule
from training.optimise.batches import Batch, PairGroup, collate, plan_epoch
from training.optimise.divergence import name_queries
from training.optimise.losses import pointwise_mse, relevance_logit, soft_binary_cross_entropy, soft_cross_entropy
from training.pool import Pool
from training.teacher.ensemble import cosine_logits


@dataclass(frozen=True, slots=True)
class TeacherData:
    """What the teacher learns from: judged pairs, and pool pairs with the bi-encoder's logits to be held to.

    The warm-up is taken off the head of `retention`.
    """

    judged: Sequence[PairGroup]
    retention: Sequence[PairGroup]


class TeacherBatches:
    """Warm-up on the bi-encoder's logits, then judged batches with retention batches strewn among them."""

    def __init__(self, data: TeacherData, settings: TeacherSettings, pad_id: int, seed: int) -> None:
        self._pad_id = pad_id
        # A small pool is shared: warm-up takes no more than half of it.
        first = min(settings.warm_up_pairs, len(data.retention) // 2)
        warm_up, retention = data.retention[:first], data.retention[first:]
        size = settings.pairs_per_batch
        self._steps = [(False, groups) for groups in _batches(warm_up, size, seed)]
        mixed = [
            (True, groups)
            for epoch in range(settings.judged_epochs)
            for groups in _batches(data.judged, size, seed + epoch)
        ]
        share = settings.retention_share
        wanted = round(len(mixed) * share / (1.0 - share))
        mixed += [(False, groups) for groups in _batches(retention, size, seed)[:wanted]]
        random.Random(seed).shuffle(mixed)
        self._steps += mixed

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> Batch:
        judged, groups = self._steps[step]
        return collate(groups, self._pad_id, judged=judged)

    def describe(self, step: int) -> str:
        """What the step's batch is made of, for an error message."""
        judged, groups = self._steps[step]
        kind = "judged pairs" if judged else "pool pairs with the bi-encoder's logits"
        return f"{kind} of {name_queries(group.query for group in groups)}"


def teacher_loss(logits: Tensor, batch: Batch) -> Tensor:
    """On judged batches soft-target BCE (logits (n,)) or soft cross-entropy (n, K); else MSE to the bi-encoder."""
    if not batch.judged:
        return pointwise_mse(relevance_logit(logits), batch.targets, batch.pairs)
    if logits.ndim == 2:
        return soft_cross_entropy(logits, batch.targets, batch.pairs)
    return soft_binary_cross_entropy(logits, batch.targets, batch.pairs)


def judged_groups(dataset: Dataset, rule: PairRule) -> list[PairGroup]:
    """The judged pairs, one to a group: the teacher's loss is pointwise, so its batches mix queries freely."""
    judgements = [judgement for group in dataset.by_query().values() for judgement in group]
    pairs = rule.encode([j.query for j in judgements], [dataset.products[j.product_id] for j in judgements])
    return [
        PairGroup([pair], np.array([judgement.target], dtype=np.float32), query=judgement.query)
        for pair, judgement in zip(pairs, judgements, strict=True)
    ]


def retention_groups(pool: Pool | None, count: int, seed: int, scale: Calibration, rule: PairRule) -> list[PairGroup]:
    """A random part of the pool, pair by pair, with the bi-encoder's logits: `count` pairs, or all."""
    if pool is None:
        return []
    # Not a permutation of the pool, which may be far larger than what is wanted of it.
    rows = np.random.default_rng(seed).choice(len(pool), min(count, len(pool)), replace=False)
    queries = [pool.queries[row] for row in pool.query_of[rows]]
    pairs = rule.encode(queries, [pool.products[row] for row in pool.product_of[rows]])
    targets = cosine_logits(pool.cosine[rows], scale)
    return [PairGroup([pair], targets[row : row + 1], query=queries[row]) for row, pair in enumerate(pairs)]


def pool_pairs_wanted(settings: TeacherSettings, judged: int) -> int:
    """How many pool pairs warm-up and retention take beside `judged` judged pairs."""
    share = settings.retention_share
    return settings.warm_up_pairs + math.ceil(judged * settings.judged_epochs * share / (1.0 - share))


def _batches(groups: Sequence[PairGroup], size: int, seed: int) -> list[list[PairGroup]]:
    lengths = [max(map(len, group.pairs)) for group in groups]
    plan = plan_epoch(lengths, [len(group.pairs) for group in groups], size, seed)
    return [[groups[index] for index in batch] for batch in plan]
