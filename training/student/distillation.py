"""Distilling a student of either kind on the labelled pool: its loss, its training, the averaging of its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor
from transformers import BertForSequenceClassification

from training.config import StudentSettings
from training.datasets.schema import Dataset
from training.errors import ConfigError, RunDirectoryError
from training.models.backbone import load_pair_encoder
from training.models.cross_encoder import Logits
from training.models.split.student import SplitStudent
from training.optimise.batches import Batch
from training.optimise.losses import human_cross_entropy, listwise_kl, margin_mse, pointwise_mse, ranknet
from training.optimise.scorers import CrossEncoder, Scorer
from training.optimise.trainer import LossFunction, Optimisation, TrainingHooks, train
from training.pool import Pool
from training.student.auxiliary import AuxiliaryHeads, with_auxiliary_tasks
from training.student.head_start import fit_head
from training.student.pool_batches import PoolBatches
from training.student.pruning import check_enough_pairs, prune_joint_layers


def student_from(teacher: BertForSequenceClassification, layers: Sequence[int]) -> BertForSequenceClassification:
    """A copy of the teacher's cross-encoder that keeps only `layers` (numbered from 0)."""
    depth = len(teacher.bert.encoder.layer)
    if max(layers) >= depth:
        raise ConfigError(f"student.layers is {tuple(layers)}, but the teacher has layers 0 to {depth - 1}")
    student = copy.deepcopy(teacher)
    student.bert.encoder.layer = torch.nn.ModuleList([student.bert.encoder.layer[layer] for layer in layers])
    student.config.num_hidden_layers = len(layers)
    return student


def distillation_loss(logits: Tensor, batch: Batch, settings: StudentSettings) -> Tensor:
    """The chosen loss against the teacher's logits with its anchor, and the BCE to people's judgements."""
    loss = _teacher_term(logits, batch, settings)
    if settings.human_weight:
        loss = loss + settings.human_weight * human_cross_entropy(logits, batch.human, batch.pairs)
    return loss


def _teacher_term(logits: Tensor, batch: Batch, settings: StudentSettings) -> Tensor:
    absolute = pointwise_mse(logits, batch.targets, batch.pairs)
    pairwise = (logits, batch.targets, batch.group)
    match settings.loss:
        case "pointwise_mse":
            return absolute
        case "margin_mse":
            relative = margin_mse(*pairwise, batch.queries)
        case "ranknet":
            relative = ranknet(*pairwise, batch.queries)
        case "listwise_kl":
            relative = listwise_kl(*pairwise, settings.temperature, batch.queries)
    # These leave each query's absolute score free, which a calibrated probability needs.
    return relative + settings.anchor * absolute


def with_human_targets(pool: Pool, judged: Dataset) -> Pool:
    """The pool with people's soft targets on its first part: the judged pairs, in the order of `judged.by_query`.

    RunDirectoryError if it does not begin with them.
    """
    judgements = [judgement for group in judged.by_query().values() for judgement in group]
    first = slice(0, len(judgements))
    pairs = zip(pool.query_of[first], pool.product_of[first], strict=True)
    found = [(pool.queries[query], pool.products[product]) for query, product in pairs]
    if found != [(judgement.query, judged.products[judgement.product_id]) for judgement in judgements]:
        raise RunDirectoryError("the pool does not begin with the judged pairs; delete its folder to draw it again")
    human = np.full(len(pool), np.nan, dtype=np.float32)
    human[first] = [judgement.target for judgement in judgements]
    return replace(pool, human=human)


@dataclass(frozen=True, slots=True)
class StudentTask:
    """What a student learns: the pool, the teacher's logits (len(pool),) of its pairs, settings, seed."""

    pool: Pool
    labels: Logits
    settings: StudentSettings
    seed: int


def train_student(student: CrossEncoder, task: StudentTask, hooks: TrainingHooks) -> None:
    """Distil in place; ConfigError if the settings ask for people's targets and the pool has none."""
    settings = task.settings
    if settings.human_weight and task.pool.human is None:
        raise ConfigError("student.human_weight needs human targets, but the pool has none: see with_human_targets")
    torch.manual_seed(task.seed)
    freeze(student, settings.frozen_layers)
    rule = load_pair_encoder(settings.template, settings.backbone)
    batches = PoolBatches(task.pool, task.labels, rule, settings, task.seed)
    if isinstance(student, SplitStudent) and settings.split.units_left is not None:
        check_enough_pairs(student, batches)
    if isinstance(student, SplitStudent) and settings.split.scores_at_its_start:
        fit_head(student, batches)
    initial = {name: weights.clone() for name, weights in student.state_dict().items()}
    loss: LossFunction = partial(distillation_loss, settings=settings)
    learner = student
    if weights := settings.auxiliary_weights:
        learner = AuxiliaryHeads(cast(BertForSequenceClassification, student))
        loss = with_auxiliary_tasks(loss, weights)
    optimisation = Optimisation(settings.learning_rate, micro_batch_pairs=settings.micro_batch_pairs)
    train(learner, batches, loss, optimisation, hooks)
    average_weights(student, initial, settings.initial_share)
    if isinstance(student, SplitStudent) and settings.split.units_left is not None:
        prune_joint_layers(student, batches, settings.split.units_left)


def freeze(student: CrossEncoder, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers as they are."""
    encoder = student.model if isinstance(student, Scorer) else student.bert
    for module in (encoder.embeddings, *encoder.encoder.layer[:layers]):
        module.requires_grad_(False)


@torch.no_grad()
def average_weights(student: CrossEncoder, initial: Mapping[str, Tensor], share: float) -> None:
    """Move the student's weights `share` of the way back to `initial`, in place.

    Fine-tuned and initial weights lie in one basin, and between them is a model that keeps more of the
    initial one's breadth than it loses of what was learnt (WiSE-FT, Wortsman et al., CVPR 2022).
    """
    for name, weights in student.state_dict().items():
        if weights.is_floating_point():
            weights.lerp_(initial[name], share)
