"""The one training loop: AdamW, linear warm-up and decay, clipping, checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertPooler

from training.batches import Batch
from training.checkpoint import CheckpointStore, TrainerState
from training.errors import DivergenceError
from training.precision import autocast

LossFunction = Callable[[Tensor, Batch], Tensor]
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How to walk: peak learning rate, share of the steps spent warming up, weight decay, gradient norm limit."""

    learning_rate: float
    warmup: float = 0.06
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0


class BatchSource(Protocol):
    """Batches by number, so that a resumed run takes up exactly where it was."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int, /) -> Batch: ...


class StepObserver(Protocol):
    """Told after each step; drives progress bars."""

    def __call__(self, step: int, steps: int, loss: float, /) -> None: ...


def train(
    model: BertForSequenceClassification,
    batches: BatchSource,
    loss_function: LossFunction,
    optimisation: Optimisation,
    hooks: TrainingHooks,
) -> None:
    """Walk once through `batches`, updating `model` in place.

    DivergenceError names a batch whose loss is not finite.
    """
    steps = len(batches)
    optimizer = AdamW(_parameter_groups(model, optimisation.weight_decay), lr=optimisation.learning_rate)
    schedule = LambdaLR(optimizer, linear_warm_up_and_decay(steps, max(1, math.ceil(optimisation.warmup * steps))))
    state = TrainerState(model, optimizer, schedule)
    first = hooks.checkpoints.restore(state) if hooks.checkpoints else 0
    saved_at = hooks.clock()
    model.train()
    for step in range(first, steps):
        loss = _step(state, batches[step], loss_function, optimisation.max_gradient_norm)
        if not math.isfinite(loss):
            raise DivergenceError(f"the loss of batch {step} of {steps} is {loss}; lower the learning rate")
        for observe in hooks.observers:
            observe(step + 1, steps, loss)
        if hooks.checkpoints and hooks.clock() - saved_at > CHECKPOINT_SECONDS:
            hooks.checkpoints.save(state, step + 1)
            saved_at = hooks.clock()
    model.train(False)


@dataclass(frozen=True, slots=True)
class TrainingHooks:
    """What surrounds the loop: where to checkpoint, whom to tell, which clock (seconds) to read."""

    checkpoints: CheckpointStore | None = None
    observers: Sequence[StepObserver] = ()
    clock: Callable[[], float] = time.monotonic


def forward(model: BertForSequenceClassification, batch: Batch) -> Tensor:
    """Logits (n,) in fp32: the encoder runs in mixed precision, the head does not.

    A head in bf16 rounds logits to some hundred values, which ties products that differ.
    """
    device = model.device
    with autocast(device):
        output = model.bert(
            input_ids=batch.input_ids.to(device),
            attention_mask=batch.attention_mask.to(device),
            token_type_ids=batch.token_type_ids.to(device),
        )
    pooler = cast(BertPooler, model.bert.pooler)
    pooled = pooler(output.last_hidden_state.float())
    logits: Tensor = model.classifier(model.dropout(pooled)).squeeze(-1)
    return logits


def _step(state: TrainerState, batch: Batch, loss_function: LossFunction, max_norm: float) -> float:
    loss = loss_function(forward(state.model, batch), batch.to(state.model.device))
    value = float(loss.detach())
    if not math.isfinite(value):
        return value
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), max_norm)
    state.optimizer.step()
    state.schedule.step()
    return value


def linear_warm_up_and_decay(steps: int, warmup: int) -> Callable[[int], float]:
    """Factor of the peak learning rate by step: up over `warmup` steps, then down to 0 after the last."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return factor


def _parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        # Biases and layer norms are not weights that could grow: decaying them only hurts.
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
