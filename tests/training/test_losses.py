from __future__ import annotations

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.losses import anchored_margin_mse, margin_mse, pointwise_mse, soft_binary_cross_entropy

cases = st.lists(st.tuples(st.integers(0, 3), st.floats(-20, 20), st.floats(-20, 20)), min_size=2, max_size=16)


def plain_margin_mse(student: list[float], teacher: list[float], group: list[int]) -> float:
    """The paper's formula as it is written, with loops."""
    losses = []
    for query in sorted(set(group)):
        rows = [row for row, number in enumerate(group) if number == query]
        n = len(rows)
        if n < 2:
            continue
        total = sum(((student[i] - student[j]) - (teacher[i] - teacher[j])) ** 2 for i, j in combinations(rows, 2))
        losses.append(2.0 / (n * (n - 1)) * total)
    return sum(losses) / len(losses) if losses else 0.0


@given(cases)
def test_margin_mse_is_the_papers_formula(case: list[tuple[int, float, float]]) -> None:
    group, student, teacher = (list(column) for column in zip(*case, strict=True))
    loss = margin_mse(
        torch.tensor(student, dtype=torch.float64), torch.tensor(teacher, dtype=torch.float64), torch.tensor(group)
    )
    assert float(loss) == pytest.approx(plain_margin_mse(student, teacher, group), rel=1e-9, abs=1e-9)


def test_margin_mse_does_not_cancel_in_fp32() -> None:
    # A common offset of a thousand is no margin; the uncentred formula would lose all digits here.
    teacher = torch.tensor([0.0, 0.001, 0.002])
    loss = margin_mse(teacher + 1000.0, teacher.flip(0), torch.zeros(3, dtype=torch.long))
    assert float(loss) == pytest.approx(plain_margin_mse([0, 0.001, 0.002], [0.002, 0.001, 0], [0, 0, 0]), rel=0.1)


def test_a_constant_per_query_is_free_for_margins_but_not_for_the_anchor() -> None:
    teacher, group = torch.tensor([1.0, 3.0, -2.0, 0.5]), torch.tensor([0, 0, 1, 1])
    student = teacher + torch.tensor([5.0, 5.0, -1.0, -1.0])
    assert float(margin_mse(student, teacher, group)) == pytest.approx(0.0, abs=1e-6)
    assert float(anchored_margin_mse(student, teacher, group, 0.5)) == pytest.approx(0.5 * (25 + 25 + 1 + 1) / 4)


def test_queries_with_one_product_neither_count_nor_divide_by_zero() -> None:
    student = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = margin_mse(student, torch.tensor([0.0, 9.0]), torch.tensor([0, 1]))
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_one_batch_of_eight_queries_and_two_of_four_give_the_same_gradient() -> None:
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(40, generator=generator, dtype=torch.float64)
    start = torch.randn(40, generator=generator, dtype=torch.float64)
    group = torch.arange(8).repeat_interleave(5)
    whole, halves = start.clone().requires_grad_(), start.clone().requires_grad_()
    anchored_margin_mse(whole, teacher, group, 0.3).backward()
    for rows in (slice(0, 20), slice(20, 40)):
        part = group[rows] - group[rows].min()
        (anchored_margin_mse(halves[rows], teacher[rows], part, 0.3) / 2).backward()
    assert whole.grad is not None
    assert halves.grad is not None
    torch.testing.assert_close(whole.grad, halves.grad)


def test_soft_targets_are_minimised_at_the_target() -> None:
    targets = torch.tensor([0.0, 0.5, 1.0, 0.25])
    best = torch.logit(targets, eps=1e-6)
    at_best = soft_binary_cross_entropy(best, targets)
    assert at_best < soft_binary_cross_entropy(best + 0.5, targets)
    assert at_best < soft_binary_cross_entropy(best - 0.5, targets)
    expected = -(0.5 * torch.log(torch.tensor(0.5)) + 0.5 * torch.log(torch.tensor(0.5)))
    assert float(soft_binary_cross_entropy(torch.zeros(1), torch.tensor([0.5]))) == pytest.approx(float(expected))


def test_pointwise_mse_is_the_mean_of_squares() -> None:
    assert float(pointwise_mse(torch.tensor([1.0, 4.0]), torch.tensor([0.0, 2.0]))) == 2.5
