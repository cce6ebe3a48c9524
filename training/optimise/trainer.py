"""The one training loop: AdamW, linear warm-up and decay, clipping, checkpoints that resume exactly."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from training.optimise import distributed
from training.optimise.batches import Batch
from training.optimise.checkpoint import CheckpointStore, TrainerState
from training.optimise.divergence import check_finite
from training.optimise.micro_batches import micro_batches
from training.optimise.scorers import CrossEncoder, Scorer, forward

LossFunction = Callable[[Tensor, Batch], Tensor]
"""Loss of a batch from what the model gives for it, for most logits (n,).

Means are over `batch.pairs` or `batch.queries` where these are not None: the losses of a batch's parts then add up to
the batch's own."""
CHECKPOINT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Optimisation:
    """How to walk: peak learning rate, share of the steps spent warming up, weight decay, gradient norm limit.

    `micro_batch_pairs` go through the model at once, in whole queries; None: the whole batch (of this process).
    """

    learning_rate: float
    warmup: float = 0.06
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    micro_batch_pairs: int | None = None


class BatchSource(Protocol):
    """Batches by number, so that a resumed run takes up exactly where it was."""

    def __len__(self) -> int: ...

    def __getitem__(self, step: int, /) -> Batch: ...


class StepObserver(Protocol):
    """Told after each step; drives progress bars."""

    def __call__(self, step: int, steps: int, loss: float, /) -> None: ...


def train(
    model: CrossEncoder,
    batches: BatchSource,
    loss_function: LossFunction,
    optimisation: Optimisation,
    hooks: TrainingHooks,
) -> None:
    """Walk once through `batches`, updating `model` in place, together with the other processes if there are any.

    DivergenceError names a batch whose loss or gradient is not finite; it left the model as it was.
    """
    steps = len(batches)
    # Fused: one pass over the weights instead of a dozen, which took a fiftieth of a step on a CPU.
    optimizer = AdamW(_parameter_groups(model, optimisation), lr=optimisation.learning_rate, fused=True)
    schedule = LambdaLR(optimizer, linear_warm_up_and_decay(steps, max(1, math.ceil(optimisation.warmup * steps))))
    state = TrainerState(model, optimizer, schedule)
    seed = torch.initial_seed()
    first = hooks.checkpoints.restore(state) if hooks.checkpoints else 0
    distributed.check_same(first, "the first step")
    distributed.copy_from_main(model)
    saved_at = hooks.clock()
    model.train()
    for step in range(first, steps):
        distributed.seed_dropout(seed, step)
        batch = batches[step]
        loss, gradient_norm = _gradient(model, batch, loss_function, optimisation)
        check_finite((loss, gradient_norm), batch, (step, steps), batches)
        optimizer.step()
        schedule.step()
        if not distributed.is_main():
            continue
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


def _gradient(
    model: CrossEncoder, batch: Batch, loss_function: LossFunction, optimisation: Optimisation
) -> tuple[float, float]:
    """Leave the clipped gradient of the batch's loss in the parameters; returns the loss and the norm before clipping.

    Of several processes each goes through its share; loss and gradient are the whole batch's in all of them.
    """
    model.zero_grad(set_to_none=True)
    share = (optimisation.micro_batch_pairs, distributed.process(), distributed.processes())
    total = torch.zeros((), dtype=torch.float64, device=model.device)
    for part in micro_batches(batch, *share):
        loss = loss_function(forward(model, part), part.to(model.device))
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    total = distributed.sum_over_processes(parameters, total)
    norm = torch.nn.utils.clip_grad_norm_(parameters, optimisation.max_gradient_norm)
    return float(total), float(norm)


def linear_warm_up_and_decay(steps: int, warmup: int) -> Callable[[int], float]:
    """Factor of the peak learning rate by step: up over `warmup` steps, then down to 0 after the last."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return max(0.0, (steps - step) / max(1, steps - warmup))

    return factor


def _parameter_groups(model: CrossEncoder, optimisation: Optimisation) -> list[dict[str, object]]:
    groups: dict[tuple[float, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = model.rate_of(name) if isinstance(model, Scorer) else 1.0
            groups.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    # Biases and layer norms are not weights that could grow: decaying them only hurts.
    return [
        {
            "params": parameters,
            "lr": rate * optimisation.learning_rate,
            "weight_decay": optimisation.weight_decay if matrix else 0.0,
        }
        for (rate, matrix), parameters in groups.items()
    ]
