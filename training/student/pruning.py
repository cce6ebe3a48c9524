"""Leaves a split student's joint layers the few feed-forward units that can do the work of all.

Most of a joint graph's arithmetic is that part, and of 1,536 units some hundred give what all give once the map behind
them is fitted anew: nothing is trained. The optimal brain surgeon (Hassibi and Stork, 1993) on one linear map and the
inputs that it sees, as in Optimal Brain Compression (Frantar and Alistarh, 2022), a whole input at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from training.errors import ConfigError
from training.models.split.joint_layer import JointLayer
from training.models.split.student import SplitStudent
from training.optimise.batches import Batch
from training.optimise.trainer import BatchSource

ROWS_A_UNIT = 10
"""Pairs, for each unit, on which the units are told from one another."""

LEAST_ROWS_A_UNIT = 4
"""By fewer the map is fitted to just those pairs: one by as many as units misses others by half of all there is."""

DAMPING = 1e-6
"""Of the moments' mean diagonal, added to it: units that never differ must not make it singular."""

COMPACT = 64
"""Removals after which the rows of what was removed are cut out."""


def prune_joint_layers(student: SplitStudent, batches: BatchSource, units: int) -> None:
    """Keep `units` of each joint layer's, in place, those by which its results on `batches` move least."""
    student.train(False)
    layers = cast(list[JointLayer], list(student.joint))
    wanted = -(-ROWS_A_UNIT * layers[0].output.dense.in_features // len(batches[0].targets))
    steps = np.linspace(0, len(batches) - 1, min(wanted, len(batches))).astype(int)
    moments = _moments(student, layers, (batches[step] for step in steps.tolist()))
    for layer, moment in zip(layers, moments, strict=True):
        keep_units(layer, moment, units)
    student.settings = student.settings.model_copy(update={"joint_units": units})


def check_enough_pairs(student: SplitStudent, batches: BatchSource) -> None:
    """ConfigError if these are too few to tell its units apart; before anything is learnt."""
    units, pairs = cast(JointLayer, student.joint[0]).output.dense.in_features, len(batches) * len(batches[0].targets)
    least = LEAST_ROWS_A_UNIT * units
    if pairs < least:
        raise ConfigError(
            f"student.split.units_left needs {least} pairs to tell the {units} units of a joint layer apart, and the "
            f"student sees about {pairs}: leave it out, or enlarge pool.pairs"
        )


@torch.no_grad()
def keep_units(layer: JointLayer, moment: Tensor, units: int) -> None:
    """Keep those `units`, in place; `moment` as of `fewest_inputs`."""
    up, down = layer.intermediate.dense, layer.output.dense
    whole = torch.cat([down.weight, down.bias[:, None]], dim=1).T.to(moment)
    kept, fitted = fewest_inputs(moment, whole, units)
    rows = kept.to(up.weight.device)
    up.weight, up.bias = nn.Parameter(up.weight[rows]), nn.Parameter(up.bias[rows])
    down.weight = nn.Parameter(fitted[:-1].T.contiguous().to(down.weight))
    down.bias = nn.Parameter(fitted[-1].to(down.bias))
    up.out_features = down.in_features = units


def fewest_inputs(moment: Tensor, weights: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` inputs from which a linear map is met best, and the map from them that meets it, in least squares.

    `moment` (K + 1, K + 1): the mean of x xᵀ over inputs x (K + 1,), whose last number is one. `weights` (K + 1, O):
    the map, its bias below. Returns the inputs' numbers (count,), ascending, and their map (count + 1, O).
    """
    moment = moment + DAMPING * moment.diagonal().mean() * torch.eye(len(moment)).to(moment)
    alive = torch.arange(len(moment))
    inverse, rest = torch.linalg.inv(moment), weights.clone()
    while len(alive) > count + 1:
        removed = torch.zeros(len(alive), dtype=torch.bool)
        for _ in range(min(COMPACT, len(alive) - count - 1)):
            # What the squared error grows by when this input goes, and all others make up for it.
            cost = rest.square().sum(1) / inverse.diagonal()
            cost[removed] = cost[-1] = torch.inf
            worst = int(cost.argmin())
            column = inverse[:, worst] / inverse[worst, worst]
            rest -= torch.outer(column, rest[worst])
            inverse -= torch.outer(column, inverse[worst])
            removed[worst] = True
            inverse[worst, worst] = 1.0
        alive, rest, inverse = alive[~removed], rest[~removed], inverse[~removed][:, ~removed]
    fitted = torch.linalg.solve(moment[alive][:, alive], moment[alive] @ weights)
    return alive[:-1], fitted


class Moment:
    """The mean of x xᵀ over all inputs of a linear map, each with a one behind it; a hook of the map."""

    def __init__(self, inputs: int) -> None:
        self._sum, self._rows = torch.zeros(inputs + 1, inputs + 1, dtype=torch.float64), 0

    def __call__(self, _: nn.Module, read: tuple[Tensor]) -> None:
        rows = read[0].reshape(-1, read[0].shape[-1]).double().cpu()
        rows = torch.cat([rows, torch.ones(len(rows), 1, dtype=rows.dtype)], dim=1)
        self._sum += rows.T @ rows
        self._rows += len(rows)

    @property
    def mean(self) -> Tensor:
        """(K + 1, K + 1)"""
        return self._sum / self._rows


@torch.no_grad()
def _moments(student: SplitStudent, layers: Sequence[JointLayer], batches: Iterable[Batch]) -> list[Tensor]:
    """The moment of what each layer's last map reads."""
    moments = [Moment(layer.output.dense.in_features) for layer in layers]
    with ExitStack() as hooks:
        for layer, moment in zip(layers, moments, strict=True):
            hooks.callback(layer.output.dense.register_forward_pre_hook(moment).remove)
        for batch in batches:
            student.score_exactly(batch)
    return [moment.mean for moment in moments]
