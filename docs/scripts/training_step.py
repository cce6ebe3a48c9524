"""What a step of the trainer costs over the model's forward and backward pass, as one JSON line.

`python -m docs.scripts.training_step` distils a student of three layers of the packaged model on synthetic pairs, in
interleaved rounds with the bare passes over the same batches, made beforehand: no batching, clipping, optimiser.
`ratio` is the median of the rounds' ratios. `milliseconds` tells where the rest goes, and what AdamW's kinds cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import BertForSequenceClassification

from docs.scripts.labelling_throughput import interleaved, synthetic_pool
from training.config import StudentSettings
from training.models.backbone import load_cross_encoder, load_pair_encoder
from training.optimise.batches import Batch
from training.optimise.scorers import forward
from training.optimise.trainer import Optimisation, TrainingHooks, train
from training.student import distillation_loss, freeze, student_from
from training.student.pool_batches import PoolBatches

SETTINGS = StudentSettings()
LOSS = partial(distillation_loss, settings=SETTINGS)
ADAMW: dict[str, dict[str, Any]] = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    source, student = source_and_student(options.steps)
    batches = [source[step] for step in range(len(source))]
    ways: dict[str, Callable[[], None]] = {
        "bare": lambda: bare(student, batches),
        "train": lambda: train(student, source, LOSS, Optimisation(1e-5), TrainingHooks()),
    }
    bare(student, batches[:1])
    seconds = interleaved(ways, options.rounds)
    ratio = round(statistics.median(a / b for a, b in zip(seconds["bare"], seconds["train"], strict=True)), 3)
    step = {name: round(1000 * statistics.median(taken) / len(batches), 1) for name, taken in seconds.items()}
    report = {**vars(options), "device": str(student.device), "ratio": ratio}
    print(json.dumps({**report, "milliseconds": {**step, **parts(student, source, options.rounds)}}))


def source_and_student(steps: int) -> tuple[PoolBatches, BertForSequenceClassification]:
    """Batches of 64 pairs with made-up labels, and the student as train_student() prepares it."""
    pool = synthetic_pool(steps * SETTINGS.pairs_per_batch)
    labels = np.random.default_rng(1).normal(size=len(pool)).astype(np.float32)
    student = student_from(load_cross_encoder(), SETTINGS.layers)
    freeze(student, SETTINGS.frozen_layers)
    return PoolBatches(pool, labels, load_pair_encoder(SETTINGS.template), SETTINGS, seed=0), student


def bare(student: BertForSequenceClassification, batches: list[Batch]) -> None:
    """Forward and backward, and nothing else."""
    student.train()
    for batch in batches:
        student.zero_grad(set_to_none=True)
        LOSS(forward(student, batch), batch.to(student.device)).backward()  # type: ignore[no-untyped-call]


def parts(student: BertForSequenceClassification, source: PoolBatches, rounds: int) -> dict[str, float]:
    """Medians of what surrounds the passes: making a batch, clipping, AdamW in each of its kinds."""
    trainable = [parameter for parameter in student.parameters() if parameter.requires_grad]
    bare(student, [source[0]])
    work: dict[str, Callable[[], Any]] = {
        "batch": lambda: source[0],
        "clip": lambda: torch.nn.utils.clip_grad_norm_(trainable, 1.0),
    }
    for name, kind in ADAMW.items():
        work[f"adamw_{name}"] = torch.optim.AdamW(trainable, lr=1e-5, **kind).step
    taken = interleaved(work, rounds + 1)
    # The first round makes the optimisers' state.
    return {name: round(1000 * statistics.median(times[1:]), 2) for name, times in taken.items()}


if __name__ == "__main__":
    main()
