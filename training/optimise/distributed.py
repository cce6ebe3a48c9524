"""Training on several processes, one a GPU, as `torchrun` starts them; with one process nothing here does anything.

Every process holds the whole model and goes through its share of each batch's queries. The shares' losses
are divided by the whole batch's counts (micro_batches.py), so the gradient is the sum of the processes'
gradients, not their mean: DistributedDataParallel, which averages, would need its weights put right again.
Run directories must lie where all processes see the same files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Module, Parameter

from training.errors import ProcessError

PATIENCE = timedelta(days=7)
"""How long processes wait for process 0, which labels a pool alone; a dead process is torchrun's to notice."""
BUCKET_ELEMENTS = 2**24
"""Gradients that are summed in one message: few messages, and a bounded copy."""


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did, and take the GPU that it gave this one."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    # Two transports: gradients may lie on GPUs, agreements are made between CPUs, where waiting costs nothing.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=PATIENCE)
    try:
        yield
    finally:
        dist.destroy_process_group()


def processes() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def process() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def is_main() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    return process() == 0


@contextmanager
def main_first() -> Iterator[None]:
    """Process 0 goes through the block, then the others do: they find the files that it wrote.

    ProcessError in the others if process 0 fails, so that its message is the only one of substance.
    """
    if is_main():
        try:
            yield
        except Exception:
            # Who is gone already need not be told, and this process has an error of its own.
            with suppress(ProcessError):
                _all_well(False)
            raise
        _all_well(True)
    else:
        if not _all_well(True):
            raise ProcessError("process 0 failed; its message says why")
        yield


def check_same(number: int, what: str) -> None:
    """ProcessError if the processes disagree on a number, such as the step to go on with."""
    if processes() == 1:
        return
    lowest, highest = torch.tensor(number), torch.tensor(number)
    with _all_there():
        dist.all_reduce(lowest, dist.ReduceOp.MIN)
        dist.all_reduce(highest, dist.ReduceOp.MAX)
    if lowest != highest:
        raise ProcessError(
            f"{what} is {number} in process {process()}, but {int(lowest)} to {int(highest)} in all: "
            "put the run directory on a file system that all processes share"
        )


def as_main_says(flag: bool) -> bool:
    """Process 0's flag, in all processes, and no earlier than all have come here.

    What each reads of a file for itself may have changed since process 0 read it: that may have gone on and written it.
    """
    if processes() == 1:
        return flag
    said = torch.tensor(int(flag and is_main()))
    with _all_there():
        dist.all_reduce(said)
    return bool(said)


def copy_from_main(model: Module) -> None:
    """Give every process process 0's weights and buffers."""
    if processes() > 1:
        for tensor in model.state_dict().values():
            with _all_there():
                dist.broadcast(tensor, src=0)


def sum_over_processes(parameters: Sequence[Parameter], loss: Tensor) -> Tensor:
    """Sum the parameters' gradients in place, and the loss, over all processes; the sums are the same in each.

    A gradient that no process has stays None; a process whose share was empty gets the others'.
    """
    if processes() == 1:
        return loss
    missing = [parameter.grad is None for parameter in parameters]
    status = torch.cat([loss.reshape(1), 1.0 - torch.tensor(missing, dtype=loss.dtype, device=loss.device)])
    with _all_there():
        dist.all_reduce(status)
    gradients = []
    for parameter, holders in zip(parameters, status[1:].tolist(), strict=True):
        if holders:
            parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        with _all_there():
            dist.all_reduce(flat)
        for gradient, part in zip(bucket, torch.split(flat, [gradient.numel() for gradient in bucket]), strict=True):
            gradient.copy_(part.view_as(gradient))
    return status[0]


def seed_dropout(seed: int, step: int) -> None:
    """Give each process its own random numbers at each step, so that a resumed run draws the same ones again.

    One process goes on with its generator, whose state is in the checkpoint.
    """
    if processes() > 1:
        torch.manual_seed(int(np.random.SeedSequence((seed, step, process())).generate_state(1, np.uint64)[0]))


def _all_well(well: bool) -> bool:
    """Whether all processes say so; waits for them."""
    if processes() == 1:
        return well
    failures = torch.tensor(int(not well))
    with _all_there():
        dist.all_reduce(failures)
    return not failures


@contextmanager
def _all_there() -> Iterator[None]:
    """ProcessError if a message between the processes fails: one has ended, most likely with an error of its own."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    # What the transports raise has no class in common but this.
    except RuntimeError as error:
        # Its first sentence: gloo goes on with advice.
        reason = str(error).partition("\n")[0].partition(". ")[0]
        raise ProcessError(
            f"process {process()} lost the others ({reason}); one of them ended, and its message says why, or the "
            "network between them failed: run again, to go on from what is finished"
        ) from error


def _buckets(gradients: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Neighbours of one type, up to BUCKET_ELEMENTS together."""
    bucket: list[Tensor] = []
    size = 0
    for gradient in gradients:
        if bucket and (gradient.dtype != bucket[0].dtype or size + gradient.numel() > BUCKET_ELEMENTS):
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.numel()
    if bucket:
        yield bucket
