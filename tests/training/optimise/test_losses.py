from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from training.optimise.losses import (
    centred,
    grade_distribution,
    human_cross_entropy,
    listwise_kl,
    margin_mse,
    pointwise_mse,
    ranknet,
    relevance_logit,
    soft_binary_cross_entropy,
    soft_cross_entropy,
)

PerQuery = Callable[[list[float], list[float]], float]
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def plain_margin_mse(student: list[float], teacher: list[float]) -> float:
    """The paper's formula as it is written, with loops."""
    n = len(student)
    total = sum(((student[i] - student[j]) - (teacher[i] - teacher[j])) ** 2 for i, j in combinations(range(n), 2))
    return 2.0 / (n * (n - 1)) * total


def plain_ranknet(student: list[float], teacher: list[float]) -> float:
    total, n = 0.0, len(student)
    for i, j in combinations(range(n), 2):
        wanted, given_ = sigmoid(teacher[i] - teacher[j]), sigmoid(student[i] - student[j])
        total -= wanted * math.log(given_) + (1.0 - wanted) * math.log(sigmoid(student[j] - student[i]))
    return 2.0 / (n * (n - 1)) * total


def plain_listwise_kl(student: list[float], teacher: list[float], temperature: float = 1.0) -> float:
    def softmax(logits: list[float]) -> list[float]:
        highest = max(logits)
        weights = [math.exp((logit - highest) / temperature) for logit in logits]
        return [weight / sum(weights) for weight in weights]

    p, q = softmax(teacher), softmax(student)
    return temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x))


def over_queries(plain: PerQuery, student: list[float], teacher: list[float], group: list[int]) -> float:
    """Mean over the queries with at least two products."""
    losses = []
    for query in sorted(set(group)):
        rows = [row for row, number in enumerate(group) if number == query]
        if len(rows) > 1:
            losses.append(plain([student[row] for row in rows], [teacher[row] for row in rows]))
    return sum(losses) / len(losses) if losses else 0.0


def warm_kl(student: Tensor, teacher: Tensor, group: Tensor) -> Tensor:
    return listwise_kl(student, teacher, group, 2.5)


def plain_warm_kl(student: list[float], teacher: list[float]) -> float:
    return plain_listwise_kl(student, teacher, 2.5)


PLAIN: list[tuple[Loss, PerQuery]] = [
    (margin_mse, plain_margin_mse),
    (ranknet, plain_ranknet),
    (listwise_kl, plain_listwise_kl),
    (warm_kl, plain_warm_kl),
]
LOSSES: list[Loss] = [loss for loss, _ in PLAIN]
# Query 2 of 0 … 3 may well be absent, and the queries come in any order.
cases = st.lists(st.tuples(st.integers(0, 3), st.floats(-20, 20), st.floats(-20, 20)), min_size=2, max_size=16)
Case = list[tuple[int, float, float]]


def tensors(case: Case, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    group, student, teacher = zip(*case, strict=True)
    return torch.tensor(student, dtype=dtype), torch.tensor(teacher, dtype=dtype), torch.tensor(group)


@pytest.mark.parametrize(("loss", "plain"), PLAIN)
@settings(deadline=None, max_examples=50)
@given(case=cases)
def test_losses_are_their_formulas(loss: Loss, plain: PerQuery, case: Case) -> None:
    group, student, teacher = (list(column) for column in zip(*case, strict=True))
    expected = over_queries(plain, student, teacher, group)
    assert float(loss(*tensors(case))) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert float(loss(*tensors(case, torch.float32))) == pytest.approx(expected, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
@settings(deadline=None, max_examples=50)
@given(case=cases, shifts=st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_a_constant_per_query_changes_nothing(loss: Loss, case: Case, shifts: list[float]) -> None:
    student, teacher, group = tensors(case)
    shifted = student + torch.tensor(shifts, dtype=torch.float64)[group]
    assert float(loss(shifted, teacher, group)) == pytest.approx(float(loss(student, teacher, group)), abs=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
@settings(deadline=None, max_examples=50)
@given(case=cases, seed=st.integers(0, 99))
def test_the_order_of_the_pairs_changes_nothing(loss: Loss, case: Case, seed: int) -> None:
    student, teacher, group = tensors(case)
    order = torch.randperm(len(case), generator=torch.Generator().manual_seed(seed))
    permuted = loss(student[order], teacher[order], group[order])
    assert float(permuted) == pytest.approx(float(loss(student, teacher, group)), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_equal_margins_are_the_best_and_the_only_best(loss: Loss) -> None:
    teacher, group = torch.tensor([1.0, 3.0, 0.5, -2.0, 0.5], dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1])
    shift = torch.tensor([5.0, 5.0, 5.0, -1.0, -1.0], dtype=torch.float64)
    student = (teacher + shift).requires_grad_()
    best = loss(student, teacher, group)
    (gradient,) = torch.autograd.grad(best, student)
    torch.testing.assert_close(gradient, torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)
    # Cross-entropy leaves the entropy of the teacher's probabilities; the others are divergences.
    least = float(loss(teacher, teacher, group)) if loss is ranknet else 0.0
    assert float(best.detach()) == pytest.approx(least, abs=1e-12)
    for row in range(5):
        assert float(loss(student.detach() + 0.1 * torch.eye(5)[row], teacher, group)) > least + 1e-5


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_the_functions_own(loss: Loss) -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(7, generator=generator, dtype=torch.float64, requires_grad=True)
    teacher = torch.randn(7, generator=generator, dtype=torch.float64)
    group = torch.tensor([0, 0, 0, 2, 2, 3, 0])
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher, group), (student,))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("group", [[0, 1], [1, 3], [0, 2]])
def test_queries_with_one_product_or_none_neither_count_nor_divide_by_zero(loss: Loss, group: list[int]) -> None:
    student = torch.tensor([1.0, 2.0], requires_grad=True)
    value = loss(student, torch.tensor([0.0, 9.0]), torch.tensor(group))
    value.backward()
    assert float(value.detach()) == 0.0
    assert student.grad is not None
    assert student.grad.tolist() == [0.0, 0.0]
    # Beside a query with two products they are as if absent.
    two, alone = torch.tensor([0.3, -1.0]), torch.tensor([0.0, 0.0, 7.0])
    beside = loss(torch.tensor([1.0, 2.0, 5.0]), torch.cat([two, alone[2:]]), torch.tensor([0, 0, 2]))
    assert float(beside) == pytest.approx(float(loss(torch.tensor([1.0, 2.0]), two, torch.tensor([0, 0]))))


@pytest.mark.parametrize("loss", LOSSES)
def test_logits_far_apart_stay_finite_in_fp32(loss: Loss) -> None:
    student = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    value = loss(student, torch.tensor([-1e4, 1e4, 3.0]), torch.zeros(3, dtype=torch.long))
    value.backward()
    assert torch.isfinite(value)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()


def test_margin_mse_does_not_cancel_in_fp32() -> None:
    # A common offset of a thousand is no margin; the uncentred formula would lose all digits here.
    teacher = torch.tensor([0.0, 0.001, 0.002])
    loss = margin_mse(teacher + 1000.0, teacher.flip(0), torch.zeros(3, dtype=torch.long))
    assert float(loss) == pytest.approx(plain_margin_mse([0, 0.001, 0.002], [0.002, 0.001, 0]), rel=0.1)


def test_rows_are_taken_less_the_mean_of_their_query() -> None:
    rows = torch.tensor([[1.0, 0.0], [3.0, 0.0], [10.0, 5.0], [4.0, 1.0], [6.0, 3.0]])
    for values in (rows, rows[:, 0]):
        less, count = centred(values, torch.tensor([0, 0, 1, 2, 2]))
        assert count.tolist() == [2, 1, 2]
        assert less.reshape(5, -1)[:, 0].tolist() == [-1.0, 1.0, 0.0, -1.0, 1.0]
    assert centred(rows, torch.tensor([0, 0, 1, 2, 2]))[0][:, 1].tolist() == [0.0, 0.0, 0.0, -1.0, 1.0]


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


def test_human_cross_entropy_is_that_of_the_judged_pairs_over_all_pairs() -> None:
    logits = torch.tensor([0.5, -1.0, 3.0, 0.1], requires_grad=True)
    human = torch.tensor([1.0, math.nan, 0.25, math.nan])
    loss = human_cross_entropy(logits, human)
    judged = soft_binary_cross_entropy(logits.detach()[[0, 2]], human[[0, 2]])
    assert float(loss.detach()) == pytest.approx(float(judged) * 2 / 4)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[[1, 3]].tolist() == [0.0, 0.0]
    assert torch.isfinite(logits.grad).all()
    assert float(human_cross_entropy(logits.detach(), torch.full((4,), math.nan))) == 0.0


class_logits = st.integers(2, 6).flatmap(lambda k: st.lists(st.floats(-30, 30), min_size=k, max_size=k))


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=8), st.integers(2, 7))
def test_a_grade_distribution_has_the_target_as_its_mean_and_two_neighbours(targets: list[float], classes: int) -> None:
    distribution = grade_distribution(torch.tensor(targets), classes)
    grades = torch.linspace(0, 1, classes)
    torch.testing.assert_close(distribution.sum(1), torch.ones(len(targets)))
    torch.testing.assert_close(distribution @ grades, torch.tensor(targets), atol=1e-6, rtol=1e-5)
    assert (distribution >= 0).all()
    for row in distribution:
        shares = row.nonzero().flatten()
        assert len(shares) <= 2
        assert shares.max() - shares.min() <= 1


def test_soft_cross_entropy_is_least_at_the_targets_own_distribution() -> None:
    targets = torch.tensor([0.1, 0.5, 0.9])
    at_best = grade_distribution(targets, 5).clamp(min=1e-9).log()
    best = soft_cross_entropy(at_best, targets)
    assert float(best) < float(soft_cross_entropy(at_best + torch.tensor([0.3, 0.0, 0.0, 0.0, 0.0]), targets))
    assert float(best) < float(soft_cross_entropy(0.8 * at_best, targets))


@given(class_logits)
def test_the_relevance_logit_is_that_of_the_expected_grade(logits: list[float]) -> None:
    z = torch.tensor([logits], dtype=torch.float64)
    expected = float((torch.softmax(z, 1) * torch.linspace(0, 1, len(logits), dtype=torch.float64)).sum())
    if 1e-9 < expected < 1 - 1e-9:
        assert float(relevance_logit(z)) == pytest.approx(math.log(expected / (1 - expected)), abs=1e-5)


@given(class_logits, st.data())
def test_the_relevance_logit_rises_as_mass_moves_up(logits: list[float], data: st.DataObject) -> None:
    low = data.draw(st.integers(0, len(logits) - 2))
    shares = torch.softmax(torch.tensor(logits, dtype=torch.float64), 0)
    raised = shares.clone()
    raised[low] -= 0.5 * shares[low]
    raised[low + 1] += 0.5 * shares[low]
    before, after = relevance_logit(torch.stack([shares, raised]).log())
    assert after >= before - 1e-12
    if shares[low] > 1e-3:
        assert after > before


def test_the_relevance_logit_is_finite_and_still_tells_pairs_apart_at_both_ends() -> None:
    ends = torch.tensor([[900.0, 0.0, -900.0], [100.0, 0.0, -100.0], [-100.0, 0.0, 100.0], [-900.0, 0.0, 900.0]])
    scores = relevance_logit(ends)
    assert torch.isfinite(scores).all()
    assert (scores.diff() > 1).all()


def test_with_two_classes_or_one_logit_it_is_the_binary_logit() -> None:
    torch.testing.assert_close(relevance_logit(torch.tensor([[1.0, 3.5], [2.0, 0.0]])), torch.tensor([2.5, -2.0]))
    torch.testing.assert_close(relevance_logit(torch.tensor([4.0, -1.0])), torch.tensor([4.0, -1.0]))
