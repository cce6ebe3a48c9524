"""Losses as pure functions of logits. Shapes: `student`, `teacher`, `targets` are (n,), one entry a pair.

`group` (n,) gives for each pair the number of its query within the batch, 0 … q − 1, in any order; a
number may be absent. Each loss is a sum over `pairs` or `queries` divided by how many there are: here, or,
when this is a part of a batch, in the whole of it (the argument of that name). The parts' losses then add
up to the whole's, and so do their gradients.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def soft_binary_cross_entropy(logits: Tensor, targets: Tensor, pairs: int | None = None) -> Tensor:
    """Mean over pairs of −y log t − (1 − y) log(1 − t), t = sigmoid(logit), y a soft target in [0, 1].

    The teacher's loss (arXiv 2505.07105, section on the teacher model).
    """
    return _mean(functional.binary_cross_entropy_with_logits, logits, targets, pairs)


def human_cross_entropy(logits: Tensor, human: Tensor, pairs: int | None = None) -> Tensor:
    """Soft-target BCE where there is a judgement; `human` (n,) is nan where there is none.

    Divided by all pairs, judged or not: a judgement weighs the same whatever else its batch holds.
    """
    judged = ~human.isnan()
    # Filled in before the loss: a nan that is masked after it still makes the gradient nan.
    filled = human.where(judged, 0.0).to(logits.dtype)
    each = functional.binary_cross_entropy_with_logits(logits, filled, reduction="none")
    return (each * judged).sum() / max(1, len(logits) if pairs is None else pairs)


def pointwise_mse(student: Tensor, teacher: Tensor, pairs: int | None = None) -> Tensor:
    """Mean over pairs of (s − t)² on logits."""
    return _mean(functional.mse_loss, student, teacher, pairs)


def margin_mse(student: Tensor, teacher: Tensor, group: Tensor, queries: int | None = None) -> Tensor:
    """All-pairs MarginMSE, averaged over the queries that have at least two products.

    Per query of n products: 2/(n(n−1)) · Σ_{i<j} ((s_i − s_j) − (t_i − t_j))² (arXiv 2505.07105).
    With d = s − t the sum is n Σ d² − (Σ d)² = n · Σ (d − mean d)², so it costs O(n), not O(n²); the
    centred form is used because the other one cancels catastrophically in low precision.
    """
    difference, count = centred(student - teacher, group)
    squares = torch.zeros_like(count).index_add(0, group, difference**2)
    per_query = 2.0 * squares / (count - 1).clamp(min=1)
    return _mean_over_queries(per_query, count, queries)


def centred(values: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """`values` (n, ...) less the mean of their query's, which leaves all margins; products (q,) of each query."""
    count = values.new_zeros(int(group.max()) + 1).index_add(0, group, values.new_ones(len(values)))
    sums = values.new_zeros(len(count), *values.shape[1:]).index_add(0, group, values)
    means = sums / count.clamp(min=1).reshape(-1, *[1] * (values.ndim - 1))
    return values - means[group], count


def ranknet(student: Tensor, teacher: Tensor, group: Tensor, queries: int | None = None) -> Tensor:
    """RankNet with the teacher's probabilities, averaged over the queries that have at least two products.

    Per query of n products: 2/(n(n−1)) · Σ_{i<j} −P_ij log Q_ij − (1 − P_ij) log(1 − Q_ij), with
    P_ij = sigmoid(t_i − t_j) and Q_ij = sigmoid(s_i − s_j) (Burges et al., ICML 2005, section 3). The least
    value, at equal margins, is the mean entropy of P. O(q · m²) for q queries of up to m products.
    """
    s, t, present = _by_query(student, teacher, group)
    target = torch.sigmoid(t.unsqueeze(2) - t.unsqueeze(1))
    each = functional.binary_cross_entropy_with_logits(s.unsqueeze(2) - s.unsqueeze(1), target, reduction="none")
    both = (present.unsqueeze(2) & present.unsqueeze(1)).triu(diagonal=1)
    count = present.sum(1)
    per_query = 2.0 * (each * both).sum((1, 2)) / (count * (count - 1)).clamp(min=1)
    return _mean_over_queries(per_query, count, queries)


def listwise_kl(
    student: Tensor, teacher: Tensor, group: Tensor, temperature: float = 1.0, queries: int | None = None
) -> Tensor:
    """KL(softmax(t/T) ‖ softmax(s/T)) · T² over a query's products, averaged as the margin losses are.

    ListNet's top-one probabilities (Cao et al., ICML 2007) as soft targets; T² keeps the gradient's size
    comparable between temperatures (Hinton et al., arXiv 1503.02531, section 2).
    """
    s, t, present = _by_query(student, teacher, group)
    # The least finite number and not −inf: the logs of padding are subtracted below, and −inf − −inf is nan.
    lowest = torch.finfo(s.dtype).min
    log_p, log_q = (torch.log_softmax((x / temperature).masked_fill(~present, lowest), dim=1) for x in (t, s))
    each = (log_p.exp() * (log_p - log_q)).masked_fill(~present, 0.0)
    return _mean_over_queries(temperature**2 * each.sum(1), present.sum(1), queries)


def soft_cross_entropy(logits: Tensor, targets: Tensor, pairs: int | None = None) -> Tensor:
    """Mean over pairs of −Σ_k q_k log softmax(z)_k, z = `logits` (n, K), q = `grade_distribution(targets, K)`."""
    distribution = grade_distribution(targets, logits.shape[1])
    each = -(distribution * functional.log_softmax(logits, dim=1)).sum(1)
    return each.mean() if pairs is None else each.sum() / max(1, pairs)


def grade_distribution(targets: Tensor, classes: int) -> Tensor:
    """Soft targets in [0, 1] as distributions (n, K) over K grades k / (K − 1).

    A target between two grades is shared linearly between them, so the distribution's mean is the target.
    """
    position = targets * (classes - 1)
    lower = position.floor().clamp(max=classes - 2).long()
    upper_share = (position - lower).unsqueeze(1)
    distribution = targets.new_zeros(len(targets), classes)
    distribution.scatter_(1, lower.unsqueeze(1), 1.0 - upper_share)
    return distribution.scatter_(1, lower.unsqueeze(1) + 1, upper_share)


def relevance_logit(logits: Tensor) -> Tensor:
    """One relevance logit a pair (n,), from one logit a pair (n,) or from K class logits (n, K).

    logit(E[grade]) with grades g_k = k / (K − 1): what a student with one logit has to say to give the same
    expected relevance, and for K = 2 exactly z_1 − z_0. As the softmax's normaliser cancels in E / (1 − E),
    it is log Σ g_k e^{z_k} − log Σ (1 − g_k) e^{z_k}: finite for all finite logits, and still telling pairs
    apart where the probabilities themselves have rounded to 0 or 1.
    """
    if logits.ndim == 1:
        return logits
    grades = torch.linspace(0.0, 1.0, logits.shape[1], dtype=logits.dtype, device=logits.device)
    # The lowest grade has no part in the first sum, the highest none in the second: log 0 is never taken.
    relevant = torch.logsumexp(logits[:, 1:] + grades[1:].log(), dim=1)
    irrelevant = torch.logsumexp(logits[:, :-1] + (1.0 - grades[:-1]).log(), dim=1)
    return relevant - irrelevant


def _mean(loss: Callable[..., Tensor], logits: Tensor, targets: Tensor, pairs: int | None) -> Tensor:
    # Kernels of two types round to the lesser one at places that depend on how many pairs there are.
    targets = targets.to(logits.dtype)
    return loss(logits, targets) if pairs is None else loss(logits, targets, reduction="sum") / max(1, pairs)


def _mean_over_queries(per_query: Tensor, count: Tensor, queries: int | None) -> Tensor:
    """Mean over the queries with at least two of `count` (q,) products; the others' losses are 0."""
    return per_query.sum() / ((count > 1).sum().clamp(min=1) if queries is None else max(1, queries))


def _by_query(student: Tensor, teacher: Tensor, group: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Both as matrices (q, m), a row for a query's products, m at most; and which entries are there."""
    count = torch.bincount(group)
    order = torch.argsort(group, stable=True)
    row = group[order]
    column = torch.arange(len(group), device=group.device) - (count.cumsum(0) - count)[row]
    shape = len(count), int(count.max())
    present = torch.zeros(shape, dtype=torch.bool, device=group.device).index_put((row, column), row >= 0)
    zeros = student.new_zeros(shape)
    s, t = (zeros.index_put((row, column), x[order].to(zeros.dtype)) for x in (student, teacher))
    return s, t, present
