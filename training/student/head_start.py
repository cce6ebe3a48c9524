"""A split student's head before it learns: what its late-interaction features alone tell of the teacher's margins."""

from __future__ import annotations

import numpy as np
import torch

from training.models.split.student import SplitStudent
from training.optimise.losses import centred
from training.optimise.trainer import BatchSource

BATCHES = 48
"""Spread over the training. Three weights and a bias need no more."""


@torch.no_grad()
def fit_head(student: SplitStudent, batches: BatchSource) -> None:
    """Start the head where MarginMSE is least with the joint part at zero.

    The teacher's logits follow the sentence encoder's cosine closely (r = 0.98 on the general pool). A student that
    starts with that share of them has only the difference to learn, and keeps the encoder's breadth where the pool
    tells it nothing else; from a random head it learns both with its joint layers.
    """
    steps = np.linspace(0, len(batches) - 1, min(BATCHES, len(batches))).astype(int)
    chosen = [batches[step] for step in steps.tolist()]
    features = [student.features_of(batch).double().cpu() for batch in chosen]
    targets = [batch.targets.double()[:, None] for batch in chosen]
    groups = [batch.group for batch in chosen]
    inside = [
        torch.cat([centred(rows, group)[0] for rows, group in zip(part, groups, strict=True)])
        for part in (features, targets)
    ]
    weights = torch.linalg.lstsq(inside[0], inside[1], driver="gelsd").solution.squeeze(-1)
    bias = (torch.cat(targets).squeeze(-1) - torch.cat(features) @ weights).mean()
    student.start_head(weights.float().to(student.device), float(bias))
