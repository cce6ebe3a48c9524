from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.training.tiny import double_cross_encoder, random_batches, tiny_cross_encoder
from training.config import StudentSettings
from training.errors import DivergenceError
from training.optimise.batches import Batch
from training.optimise.checkpoint import CheckpointStore
from training.optimise.scorers import forward
from training.optimise.trainer import (
    LossFunction,
    Optimisation,
    TrainingHooks,
    linear_warm_up_and_decay,
    train,
)
from training.student import distillation_loss
from training.teacher import teacher_loss


class Killed(Exception):
    """Stands for the process being killed between two steps."""


def loss(logits: Tensor, batch: Batch) -> Tensor:
    return distillation_loss(logits, batch, StudentSettings())


def every_step_is_a_minute() -> TrainingHooks:
    ticks: Iterator[int] = count(step=61)
    return TrainingHooks(clock=lambda: float(next(ticks)))


def test_training_lowers_the_loss() -> None:
    model, batch = tiny_cross_encoder(), random_batches(1)[0]
    before = float(loss(forward(model, batch), batch).detach())
    train(model, [batch] * 60, loss, Optimisation(1e-2), TrainingHooks())
    assert float(loss(forward(model, batch), batch).detach()) < 0.5 * before


@pytest.mark.parametrize(("killed_after", "micro_batch_pairs"), [(1, None), (3, 6), (7, None)])
def test_a_killed_run_resumed_gives_the_weights_of_an_unbroken_one(
    tmp_path: Path, killed_after: int, micro_batch_pairs: int | None
) -> None:
    batches = random_batches(8)
    unbroken = tiny_cross_encoder()
    optimisation = Optimisation(1e-2, micro_batch_pairs=micro_batch_pairs)
    train(unbroken, batches, loss, optimisation, TrainingHooks())

    def kill(step: int, steps: int, value: float) -> None:
        if step == killed_after + 1:
            raise Killed

    store = CheckpointStore(tmp_path / "checkpoint.pt")
    clock = every_step_is_a_minute().clock
    with pytest.raises(Killed):
        train(tiny_cross_encoder(), batches, loss, optimisation, TrainingHooks(store, [kill], clock))
    # Another initialisation: all that counts must come from the checkpoint.
    resumed, steps = tiny_cross_encoder(seed=9), []
    train(resumed, batches, loss, optimisation, TrainingHooks(store, [lambda step, n, value: steps.append(step)]))
    assert steps == list(range(killed_after + 1, 9))
    for name, weights in unbroken.state_dict().items():
        assert torch.equal(weights, resumed.state_dict()[name]), name


def test_a_half_written_checkpoint_is_not_read(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "checkpoint.pt")
    (tmp_path / "checkpoint.partial").write_bytes(b"half")
    seen: list[int] = []
    observers = [lambda step, n, value: seen.append(step)]
    train(tiny_cross_encoder(), random_batches(2), loss, Optimisation(1e-3), TrainingHooks(store, observers))
    assert seen == [1, 2]


class Described(list[Batch]):
    """Batches that can be told apart."""

    def describe(self, step: int) -> str:
        return f"epoch 1 of 1, queries 'query of batch {step}'"


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch(tmp_path: Path) -> None:
    batches = Described(random_batches(3))
    batches[2].targets[0] = float("nan")
    model, store = tiny_cross_encoder(), CheckpointStore(tmp_path / "checkpoint.pt")
    hooks = TrainingHooks(store, clock=every_step_is_a_minute().clock)
    with pytest.raises(DivergenceError, match=r"loss of batch 2 of 3 is nan \(epoch 1 .*'query of batch 2'") as caught:
        train(model, batches, loss, Optimisation(1e-3), hooks)
    assert "A target in it is not finite" in str(caught.value)
    assert "new run" in str(caught.value)
    # What is left is the model after the last good step, in memory and on disk.
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert kept["next_step"] == 2
    for name, weights in model.state_dict().items():
        assert torch.isfinite(weights).all()
        assert torch.equal(weights, kept["model"][name])


def test_an_absurd_learning_rate_stops_the_run_and_is_named() -> None:
    with pytest.raises(DivergenceError, match=r"of batch 1 of 9 is (nan|inf).*lower this stage's learning_rate"):
        train(tiny_cross_encoder(), random_batches(9), loss, Optimisation(1e30, warmup=0.0), TrainingHooks())


def test_a_gradient_that_is_no_number_stops_the_run() -> None:
    def rooted(logits: Tensor, batch: Batch) -> Tensor:
        return (logits * 0.0).abs().sqrt().sum()

    model = tiny_cross_encoder()
    with pytest.raises(DivergenceError, match="gradient norm of batch 0 of 1 is nan"):
        train(model, random_batches(1), rooted, Optimisation(1e-3), TrainingHooks())
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def gradients(loss_function: LossFunction, sizes: list[int], micro_batch_pairs: int | None) -> list[Tensor]:
    """Of one batch, as the optimiser sees them, in fp64."""
    model = double_cross_encoder()
    optimisation = Optimisation(1e-3, max_gradient_norm=1e9, micro_batch_pairs=micro_batch_pairs)
    train(model, random_batches(1, sizes=sizes), loss_function, optimisation, TrainingHooks())
    return [parameter.grad for parameter in model.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("sizes", [[4] * 8, [5, 1, 3, 4, 2, 6, 1, 3]])
@pytest.mark.parametrize("name", ["margin_mse", "pointwise_mse", "ranknet", "listwise_kl", "teacher"])
def test_one_batch_of_eight_queries_and_four_of_two_give_the_same_gradient(name: str, sizes: list[int]) -> None:
    def student_loss(logits: Tensor, batch: Batch) -> Tensor:
        return distillation_loss(logits, batch, StudentSettings.model_validate({"loss": name, "human_weight": 0.5}))

    loss_function = teacher_loss if name == "teacher" else student_loss
    whole = gradients(loss_function, sizes, None)
    assert len(whole) > 20
    for micro_batch_pairs in (8, 1):
        parts = gradients(loss_function, sizes, micro_batch_pairs)
        torch.testing.assert_close(parts, whole, atol=1e-10, rtol=1e-10)


def test_micro_batches_go_through_the_model_one_after_another() -> None:
    seen: list[int] = []

    def counted(logits: Tensor, batch: Batch) -> Tensor:
        seen.append(len(batch))
        return loss(logits, batch)

    values: list[float] = []
    hooks = TrainingHooks(observers=[lambda step, steps, value: values.append(value)])
    train(tiny_cross_encoder(), random_batches(1), counted, Optimisation(1e-3, micro_batch_pairs=6), hooks)
    train(tiny_cross_encoder(), random_batches(1), counted, Optimisation(1e-3), hooks)
    assert seen == [6, 6, 12]
    assert values[0] == pytest.approx(values[1], rel=1e-2)


def test_frozen_parameters_stay() -> None:
    model = tiny_cross_encoder()
    model.bert.embeddings.requires_grad_(False)
    before = model.bert.embeddings.word_embeddings.weight.clone()
    train(model, random_batches(3), loss, Optimisation(1e-1), TrainingHooks())
    assert torch.equal(before, model.bert.embeddings.word_embeddings.weight)


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    factor = linear_warm_up_and_decay(steps=10, warmup=4)
    rates = [factor(step) for step in range(11)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[10] == 0.0
    assert min(rates[:10]) > 0.0
