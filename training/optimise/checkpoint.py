"""Training checkpoints: everything a loop needs to go on as if it had never stopped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from relevance.disk_errors import has_remedy
from training.errors import RunDirectoryError
from training.optimise.scorers import CrossEncoder, Scorer
from training.run_directory import whole_file
from training.stage_files import reason_of


@dataclass(frozen=True, slots=True)
class TrainerState:
    """The mutable parts of a training run."""

    model: CrossEncoder
    optimizer: Optimizer
    schedule: LRScheduler


class CheckpointStore:
    """One file that always holds the newest complete checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, state: TrainerState, next_step: int) -> None:
        """Write atomically: a kill during the write keeps the checkpoint before it."""
        content: dict[str, Any] = {
            "next_step": next_step,
            "model": _weights(state.model),
            "optimizer": state.optimizer.state_dict(),
            "schedule": state.schedule.state_dict(),
            # Dropout draws from the global generator; without its state a resumed run differs.
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
        }
        with whole_file(self._path) as partial:
            _save(content, partial)

    def restore(self, state: TrainerState) -> int:
        """Load the newest checkpoint into `state`; returns the step to go on with, 0 if there is none.

        RunDirectoryError if it is damaged, or of a model or a training of another shape.
        """
        if not self._path.exists():
            return 0
        try:
            # To the CPU first: the process that saved it may have had another GPU than this one.
            return _take_up(torch.load(self._path, weights_only=True, map_location="cpu"), state)
        except (MemoryError, torch.OutOfMemoryError):
            raise
        # Of a file that is none of its own, torch raises errors of many kinds.
        except Exception as error:
            if isinstance(error, OSError) and has_remedy(error):
                raise
            raise RunDirectoryError(
                f"{self._path} is damaged ({reason_of(error)}); delete it, and its stage begins anew"
            ) from error

    def clear(self) -> None:
        """Remove the checkpoint once the stage it belongs to is finished."""
        self._path.unlink(missing_ok=True)


def _take_up(content: dict[str, Any], state: TrainerState) -> int:
    if isinstance(state.model, Scorer):
        state.model.load_trainable_state(content["model"])
    else:
        state.model.load_state_dict(content["model"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.schedule.load_state_dict(content["schedule"])
    torch.set_rng_state(content["rng"])
    if content.get("cuda_rng") is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(content["cuda_rng"])
    return int(content["next_step"])


def _save(content: dict[str, Any], path: Path) -> None:
    try:
        torch.save(content, path)
    except RuntimeError as error:
        # What torch makes of a full disk.
        reason = str(error).partition("\n")[0]
        raise RunDirectoryError(
            f"{path} cannot be written ({reason}); where the disk is full, free space and run again"
        ) from error


def _weights(model: CrossEncoder) -> dict[str, Tensor]:
    # A language model's frozen weights are read from its backbone; a checkpoint a minute of 14 GB would not do.
    return model.trainable_state() if isinstance(model, Scorer) else model.state_dict()
