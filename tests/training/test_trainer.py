from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch
from torch import Tensor

from training.batches import Batch
from training.checkpoint import CheckpointStore
from training.errors import DivergenceError
from training.losses import anchored_margin_mse
from training.trainer import Optimisation, TrainingHooks, forward, linear_warm_up_and_decay, train

from .tiny import random_batches, tiny_cross_encoder


class Killed(Exception):
    """Stands for the process being killed between two steps."""


def loss(logits: Tensor, batch: Batch) -> Tensor:
    return anchored_margin_mse(logits, batch.targets, batch.group, 0.3)


def every_step_is_a_minute() -> TrainingHooks:
    ticks: Iterator[int] = count(step=61)
    return TrainingHooks(clock=lambda: float(next(ticks)))


def test_training_lowers_the_loss() -> None:
    model, batch = tiny_cross_encoder(), random_batches(1)[0]
    before = float(loss(forward(model, batch), batch).detach())
    train(model, [batch] * 60, loss, Optimisation(1e-2), TrainingHooks())
    assert float(loss(forward(model, batch), batch).detach()) < 0.5 * before


@pytest.mark.parametrize("killed_after", [1, 3, 7])
def test_a_killed_run_resumed_gives_the_weights_of_an_unbroken_one(tmp_path: Path, killed_after: int) -> None:
    batches = random_batches(8)
    unbroken = tiny_cross_encoder()
    train(unbroken, batches, loss, Optimisation(1e-2), TrainingHooks())

    def kill(step: int, steps: int, value: float) -> None:
        if step == killed_after + 1:
            raise Killed

    store = CheckpointStore(tmp_path / "checkpoint.pt")
    clock = every_step_is_a_minute().clock
    with pytest.raises(Killed):
        train(tiny_cross_encoder(), batches, loss, Optimisation(1e-2), TrainingHooks(store, [kill], clock))
    # Another initialisation: all that counts must come from the checkpoint.
    resumed, steps = tiny_cross_encoder(seed=9), []
    train(resumed, batches, loss, Optimisation(1e-2), TrainingHooks(store, [lambda step, n, value: steps.append(step)]))
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


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_batch() -> None:
    batches = random_batches(3)
    batches[2].targets[0] = float("nan")
    model = tiny_cross_encoder()
    with pytest.raises(DivergenceError, match="batch 2 of 3 is nan"):
        train(model, batches, loss, Optimisation(1e-3), TrainingHooks())
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_the_head_is_not_rounded_to_half_precision() -> None:
    batch = random_batches(1)[0]
    model = tiny_cross_encoder()
    model.classifier.bias.data.fill_(4.0)
    logits = forward(model, batch).detach()
    assert not torch.equal(logits, logits.bfloat16().float())


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
