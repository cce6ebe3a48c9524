"""Losses as pure functions of logits. Shapes: `student`, `teacher`, `targets` are (n,), one entry a pair.

`group` (n,) gives for each pair the number of its query within the batch, 0 … q − 1, in any order.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def soft_binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean over pairs of −y log t − (1 − y) log(1 − t), t = sigmoid(logit), y a soft target in [0, 1].

    The teacher's loss (arXiv 2505.07105, section on the teacher model).
    """
    return functional.binary_cross_entropy_with_logits(logits, targets)


def pointwise_mse(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean over pairs of (s − t)² on logits."""
    return functional.mse_loss(student, teacher)


def margin_mse(student: Tensor, teacher: Tensor, group: Tensor) -> Tensor:
    """All-pairs MarginMSE, averaged over the queries that have at least two products.

    Per query of n products: 2/(n(n−1)) · Σ_{i<j} ((s_i − s_j) − (t_i − t_j))² (arXiv 2505.07105).
    With d = s − t the sum is n Σ d² − (Σ d)² = n · Σ (d − mean d)², so it costs O(n), not O(n²); the
    centred form is used because the other one cancels catastrophically in low precision.
    """
    difference = student - teacher
    queries = int(group.max()) + 1
    zeros = difference.new_zeros(queries)
    count = zeros.index_add(0, group, torch.ones_like(difference))
    mean = zeros.index_add(0, group, difference) / count.clamp(min=1)
    squares = zeros.index_add(0, group, (difference - mean[group]) ** 2)
    per_query = 2.0 * squares / (count - 1).clamp(min=1)
    return per_query.sum() / (count > 1).sum().clamp(min=1)


def anchored_margin_mse(student: Tensor, teacher: Tensor, group: Tensor, anchor: float) -> Tensor:
    """MarginMSE + anchor · MSE: margins alone leave each query's absolute score free."""
    return margin_mse(student, teacher, group) + anchor * pointwise_mse(student, teacher)
