"""What two training processes do together, for test_distributed.py: `python -m ... FOLDER PORT`.

They are given the variables that torchrun gives. Forked after the imports, which take longest.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from unittest.mock import PropertyMock, patch

import torch
from torch import Tensor

from tests.training.tiny import double_cross_encoder, random_batches
from training import stages
from training.config import DistillSettings, StudentSettings
from training.datasets.schema import Dataset
from training.errors import TrainingError
from training.optimise import distributed
from training.optimise.batches import Batch
from training.optimise.checkpoint import CheckpointStore
from training.optimise.trainer import Optimisation, TrainingHooks, train
from training.run_directory import RunDirectory, Stage
from training.splits import Split
from training.student import distillation_loss

PROCESSES = 2
# A batch of one query leaves a process without anything to do.
SIZES = ([3, 1, 4, 2, 5], [4], [2, 2, 2], [1, 6], [3, 3], [5, 2, 1])
LOSSES = ("margin_mse", "pointwise_mse", "ranknet", "listwise_kl")
KILLED_AT = 3
NO_DATA = Split(Dataset("none", {}, []), Dataset("none", {}, []))


class Killed(Exception):
    """Stands for all processes being killed between two steps."""


class Batches(list[Batch]):
    """One of each of SIZES; told to, they end the run when the batch KILLED_AT is asked for."""

    def __init__(self, *, kill: bool = False) -> None:
        super().__init__(random_batches(1, seed, sizes)[0] for seed, sizes in enumerate(SIZES))
        self._kill = kill

    def __getitem__(self, step: int) -> Batch:  # type: ignore[override]
        if self._kill and step == KILLED_AT:
            raise Killed
        return super().__getitem__(step)


def loss_named(name: str) -> Callable[[Tensor, Batch], Tensor]:
    settings = StudentSettings.model_validate({"loss": name, "human_weight": 0.5})
    return partial(distillation_loss, settings=settings)


def gradients(name: str) -> dict[str, Tensor]:
    """Of the first batch, unclipped, as the optimiser saw them."""
    model = double_cross_encoder()
    optimisation = Optimisation(1e-3, max_gradient_norm=1e9, micro_batch_pairs=4)
    train(model, Batches()[:1], loss_named(name), optimisation, TrainingHooks())
    return {key: parameter.grad for key, parameter in model.named_parameters() if parameter.grad is not None}


def trained(
    store: CheckpointStore | None = None, seed: int = 0, *, kill: bool = False
) -> tuple[dict[str, Tensor], list[float]]:
    """Weights and losses of a run through all batches; every step is a minute, so each is saved."""
    model, losses, minutes = double_cross_encoder(seed), list[float](), count(step=61)
    hooks = TrainingHooks(store, [lambda step, steps, loss: losses.append(loss)], lambda: float(next(minutes)))
    train(model, Batches(kill=kill), loss_named("margin_mse"), Optimisation(1e-2), hooks)
    return model.state_dict(), losses


def message_of(action: Callable[[], object]) -> str:
    try:
        action()
    except TrainingError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def main_fails() -> None:
    with distributed.main_first():
        if distributed.is_main():
            raise TrainingError("the disk is full")


def not_finite() -> None:
    batches = Batches()
    batches[0].targets[-1] = float("nan")  # In the last query: the second process's share.
    train(double_cross_encoder(), batches, loss_named("margin_mse"), Optimisation(1e-3), TrainingHooks())


def teacher_trained(folder: Path) -> bool:
    """Whether this process trains the teacher, of which the others see the manifest that process 0 writes next."""
    with distributed.main_first():
        run = stages.Run(DistillSettings(), NO_DATA, RunDirectory(folder / "run", {}))
    sees = patch.object(Stage, "finished", new_callable=PropertyMock, return_value=not distributed.is_main())
    with sees, patch.object(stages, "train_teacher") as trained, patch.object(stages, "load_teacher"):
        stages.teacher_stage(run, None)
    return trained.called


def main_fails_alone() -> None:
    with distributed.main_first():
        raise TrainingError("the disk is full")


def train_a_step() -> None:
    train(double_cross_encoder(), Batches()[:1], loss_named("margin_mse"), Optimisation(1e-3), TrainingHooks())


def sum_gradients() -> None:
    distributed.sum_over_processes([], torch.zeros(()))


def work(process: int, folder: Path, port: str) -> None:
    names = {
        "RANK": process,
        "LOCAL_RANK": process,
        "WORLD_SIZE": PROCESSES,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    os.environ.update({name: str(value) for name, value in names.items()})
    torch.set_num_threads(1)
    with distributed.process_group():
        marker, report = folder / "marker", {}
        with distributed.main_first():
            report["marker"] = marker.exists()
            marker.touch()
        results = {name: gradients(name) for name in LOSSES}
        # Weights that differ at first are made the same.
        results["unbroken"], report["losses"] = trained(seed=process)
        store = CheckpointStore(folder / "checkpoint.pt")
        try:
            trained(store, kill=True)
        except Killed:
            with distributed.main_first():
                if distributed.is_main():
                    shutil.copy(folder / "checkpoint.pt", folder / "killed.pt")
        results["resumed"], report["losses_resumed"] = trained(store, seed=9)
        report["main_fails"] = message_of(main_fails)
        report["check_same"] = message_of(lambda: distributed.check_same(process, "the first step"))
        report["not_finite"] = message_of(not_finite)
        report["teacher_trained"] = teacher_trained(folder)
        report["random"] = [_random(step) for step in (0, 1, 0)]
        if distributed.is_main():
            # The other leaves the group now, as one that fails does.
            report["alone"] = [message_of(action) for action in (sum_gradients, train_a_step, main_fails_alone)]
    torch.save(results, folder / f"results-{process}.pt")
    (folder / f"report-{process}.json").write_text(json.dumps(report), encoding="utf-8")


def _random(step: int) -> float:
    distributed.seed_dropout(7, step)
    return float(torch.rand(()))


def main(folder: Path, port: str) -> int:
    context = multiprocessing.get_context("fork")
    running = [context.Process(target=work, args=(process, folder, port)) for process in range(PROCESSES)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    return max(abs(one.exitcode or 0) for one in running)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
