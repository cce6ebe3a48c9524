from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from relevance.pair_encoding import EncodedPair
from training.config import StudentSettings
from training.optimise.batches import Batch, PairGroup, collate
from training.optimise.micro_batches import micro_batches
from training.student import distillation_loss
from training.teacher import teacher_loss

group_sizes = st.lists(st.integers(1, 9), min_size=1, max_size=9)


def batch_of(sizes: list[int], *, judged: bool = False) -> Batch:
    """Queries of `sizes` pairs of several lengths; about every third pair is judged."""
    rng = np.random.default_rng(0)
    groups = []
    for size in sizes:
        lengths = rng.integers(4, 12, size)
        pairs = [EncodedPair(tuple(rng.integers(1, 99, n).tolist()), (0,) * int(n)) for n in lengths]
        human = np.where(rng.random(size) < 0.3, rng.random(size), np.nan).astype(np.float32)
        auxiliary = rng.random((size, 2)).astype(np.float32)
        groups.append(PairGroup(pairs, rng.random(size).astype(np.float32), human, auxiliary))
    return collate(groups, 0, judged=judged)


@settings(deadline=None, max_examples=50)
@given(group_sizes, st.none() | st.integers(1, 20), st.integers(1, 4))
def test_every_pair_is_in_one_part_and_queries_stay_whole(sizes: list[int], pairs: int | None, processes: int) -> None:
    batch = batch_of(sizes)
    shares = [micro_batches(batch, pairs, process, processes) for process in range(processes)]
    parts = [part for share in shares for part in share]
    assert torch.equal(torch.cat([part.targets for part in parts]), batch.targets)
    assert torch.equal(torch.cat([part.human for part in parts]).nan_to_num(-1), batch.human.nan_to_num(-1))
    assert torch.equal(torch.cat([part.auxiliary for part in parts]), batch.auxiliary)
    assert [size for part in parts for size in torch.bincount(part.group).tolist()] == sizes
    row = 0
    for part in parts:
        rows = slice(row, row + len(part))
        for ids, mask, expected, kept in zip(
            part.input_ids, part.attention_mask, batch.input_ids[rows], batch.attention_mask[rows], strict=True
        ):
            assert ids[mask > 0].tolist() == expected[kept > 0].tolist()
        assert part.attention_mask.any(0).all()
        assert pairs is None or len(part) <= pairs or int(part.group.max()) == 0
        row += len(part)
    fair = len(batch) / processes
    assert all(abs(sum(map(len, share)) - fair) <= max(sizes) for share in shares)


def test_a_batch_that_is_not_cut_stays_itself() -> None:
    batch = batch_of([3, 2])
    assert micro_batches(batch, None)[0] is batch
    assert micro_batches(batch, 5)[0] is batch
    assert micro_batches(batch, 4)[0] is not batch


def gradient(weights: Tensor, parts: list[Batch], loss: str) -> Tensor:
    """Of the loss of logits that depend on the tokens alone, summed over the parts."""
    weights = weights.clone().requires_grad_()
    for part in parts:
        logits = (weights[part.input_ids] * part.attention_mask).sum(1)
        if loss == "teacher":
            value = teacher_loss(logits, part)
        else:
            value = distillation_loss(logits, part, StudentSettings.model_validate({"loss": loss, "human_weight": 0.7}))
        value.backward()  # type: ignore[no-untyped-call]
    assert weights.grad is not None
    return weights.grad


@pytest.mark.parametrize("loss", ["margin_mse", "pointwise_mse", "ranknet", "listwise_kl", "teacher"])
@settings(deadline=None, max_examples=50)
@given(sizes=group_sizes, pairs=st.integers(1, 20), processes=st.integers(1, 3))
def test_the_parts_gradients_add_up_to_the_batchs(loss: str, sizes: list[int], pairs: int, processes: int) -> None:
    weights = torch.randn(99, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for judged in (False, True) if loss == "teacher" else (False,):
        batch = batch_of(sizes, judged=judged)
        parts = [part for number in range(processes) for part in micro_batches(batch, pairs, number, processes)]
        torch.testing.assert_close(
            gradient(weights, parts, loss), gradient(weights, [batch], loss), atol=1e-10, rtol=1e-10
        )
