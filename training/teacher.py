"""The teacher: a cross-encoder fine-tuned on soft targets, averaged with the zero-shot bi-encoder.

A cross-encoder fitted to a few hundred judged queries forgets what it knew of the rest of the shop. Two
things keep it: it first learns, and is then held to, the bi-encoder's logits on unlabelled pairs of the
pool (learning without forgetting), and its logits are averaged with the bi-encoder's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import BertForSequenceClassification

from relevance.calibration import Calibration
from relevance.pair_encoding import EncodedPair, PairEncoder
from relevance.product import Product
from training.backbone import load_checkpoint, load_cross_encoder, load_pair_encoder
from training.batches import Batch, PairGroup, collate, plan_epoch
from training.bi_encoder import BiEncoder
from training.calibrate import fit_platt
from training.config import TeacherSettings
from training.cross_encoder import Logits, encode_pairs, score_pairs
from training.datasets.schema import Dataset
from training.divergence import name_queries
from training.losses import pointwise_mse, soft_binary_cross_entropy
from training.pool import Pool
from training.run_directory import Stage
from training.trainer import Optimisation, TrainingHooks, train


@dataclass(frozen=True, slots=True)
class Teacher:
    """The ensemble. `cosine_scale` maps the bi-encoder's cosine to a logit; weights sum to 1."""

    cross_encoder: BertForSequenceClassification
    encoder: PairEncoder
    bi_encoder: BiEncoder
    cosine_scale: Calibration
    cross_encoder_weight: float

    def combine(self, cross_encoder_logits: Logits, cosines: Logits) -> Logits:
        """Mean of the two logits (n,), weighted."""
        zero_shot = cosine_logits(cosines, self.cosine_scale)
        weight = self.cross_encoder_weight
        return (weight * cross_encoder_logits + (1.0 - weight) * zero_shot).astype(np.float32)

    def score(self, query: str, products: Sequence[Product]) -> Logits:
        """Logits (len(products),) of one query's candidates."""
        pairs = encode_pairs(self.encoder, query, products)
        cross_encoder_logits = score_pairs(self.cross_encoder, pairs, self.encoder.pad_id)
        return self.combine(cross_encoder_logits, self.bi_encoder.cosines(query, products))


@dataclass(frozen=True, slots=True)
class TeacherData:
    """What the teacher learns from: judged pairs, and pool pairs with the bi-encoder's logits to be held to."""

    judged: Sequence[PairGroup]
    held_to: Sequence[PairGroup]


class TeacherBatches:
    """Warm-up on the bi-encoder's logits, then judged batches with retention batches strewn among them."""

    def __init__(self, data: TeacherData, settings: TeacherSettings, pad_id: int, seed: int) -> None:
        self._pad_id = pad_id
        # A small pool is shared: warm-up takes no more than half of it.
        first = min(settings.warm_up_pairs, len(data.held_to) // 2)
        warm_up, retention = data.held_to[:first], data.held_to[first:]
        size = settings.pairs_per_batch
        self._steps = [(False, groups) for groups in _batches(warm_up, size, seed)]
        mixed = [
            (True, groups)
            for epoch in range(settings.judged_epochs)
            for groups in _batches(data.judged, size, seed + epoch)
        ]
        share = settings.retention_share
        wanted = round(len(mixed) * share / (1.0 - share))
        mixed += [(False, groups) for groups in _batches(retention, size, seed)[:wanted]]
        random.Random(seed).shuffle(mixed)
        self._steps += mixed

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> Batch:
        judged, groups = self._steps[step]
        return collate(groups, self._pad_id, judged=judged)

    def describe(self, step: int) -> str:
        """What the step's batch is made of, for an error message."""
        judged, groups = self._steps[step]
        kind = "judged pairs" if judged else "pool pairs with the bi-encoder's logits"
        return f"{kind} of {name_queries(group.query for group in groups)}"


def teacher_loss(logits: Tensor, batch: Batch) -> Tensor:
    """Soft-target BCE on judged batches; on the others MSE to the bi-encoder's logits."""
    if batch.judged:
        return soft_binary_cross_entropy(logits, batch.targets, batch.pairs)
    return pointwise_mse(logits, batch.targets, batch.pairs)


def train_teacher(
    judged: Sequence[Dataset], pool: Pool, settings: TeacherSettings, seed: int, hooks: TrainingHooks
) -> Teacher:
    """Fine-tune on the judged datasets (the first one sets the cosine's scale) and the pool."""
    torch.manual_seed(seed)
    bi_encoder = BiEncoder()
    scale = fit_cosine_scale(judged[0], bi_encoder)
    encoder = load_pair_encoder(settings.template)
    model = load_cross_encoder()
    # The word vectors of words that no training pair holds must stay comparable with the others'.
    model.bert.embeddings.requires_grad_(False)
    groups = [group for dataset in judged for group in judged_groups(dataset, encoder)]
    share = settings.retention_share
    retained = math.ceil(len(groups) * settings.judged_epochs * share / (1.0 - share))
    held_to = _held_to(pool, scale, encoder, settings.warm_up_pairs + retained, seed)
    batches = TeacherBatches(TeacherData(groups, held_to), settings, encoder.pad_id, seed)
    optimisation = Optimisation(settings.learning_rate, micro_batch_pairs=settings.micro_batch_pairs)
    train(model, batches, teacher_loss, optimisation, hooks)
    return Teacher(model, encoder, bi_encoder, scale, settings.cross_encoder_weight)


def save_teacher(teacher: Teacher, stage: Stage) -> None:
    """Write the cross-encoder's weights, then the manifest with the ensemble's numbers."""
    teacher.cross_encoder.save_pretrained(stage.directory)
    stage.finish(
        {
            "cosine_scale": teacher.cosine_scale.model_dump(),
            "cross_encoder_weight": teacher.cross_encoder_weight,
            "template": teacher.encoder.template.model_dump(),
        }
    )


def load_teacher(stage: Stage) -> Teacher:
    """Read a finished teacher."""
    manifest = stage.manifest()
    return Teacher(
        load_checkpoint(stage.directory),
        load_pair_encoder(TeacherSettings.model_validate({"template": manifest["template"]}).template),
        BiEncoder(),
        Calibration.model_validate(manifest["cosine_scale"]),
        manifest["cross_encoder_weight"],
    )


def cosine_logits(cosines: npt.NDArray[np.float32], scale: Calibration) -> Logits:
    """The bi-encoder's logits (n,)."""
    return (scale.scale * cosines + scale.bias).astype(np.float32)


def fit_cosine_scale(dataset: Dataset, bi_encoder: BiEncoder) -> Calibration:
    """Platt scaling of the cosine on the judged pairs."""
    cosines, targets = [], []
    for query, judgements in dataset.by_query().items():
        products = [dataset.products[judgement.product_id] for judgement in judgements]
        cosines.append(bi_encoder.cosines(query, products))
        targets += [judgement.target for judgement in judgements]
    return fit_platt(np.concatenate(cosines), targets)


def judged_groups(dataset: Dataset, encoder: PairEncoder) -> list[PairGroup]:
    """The judged pairs, one to a group: the teacher's loss is pointwise, so its batches mix queries freely."""
    groups = []
    for query, judgements in dataset.by_query().items():
        products = [dataset.products[judgement.product_id] for judgement in judgements]
        for pair, judgement in zip(encode_pairs(encoder, query, products), judgements, strict=True):
            groups.append(PairGroup([pair], np.array([judgement.target], dtype=np.float32), query=query))
    return groups


def _held_to(pool: Pool, scale: Calibration, encoder: PairEncoder, wanted: int, seed: int) -> list[PairGroup]:
    """A random part of the pool, pair by pair, with the bi-encoder's logits as targets."""
    rows = np.random.default_rng(seed).permutation(len(pool))[:wanted]
    texts = [pool.queries[row] for row in pool.query_of[rows]]
    queries = encoder.encode_queries(texts)
    products = encoder.encode_products([pool.products[row] for row in pool.product_of[rows]])
    targets = cosine_logits(pool.cosine[rows], scale)
    pairs: list[EncodedPair] = [encoder.pair(q, p) for q, p in zip(queries, products, strict=True)]
    return [PairGroup([pair], targets[row : row + 1], query=texts[row]) for row, pair in enumerate(pairs)]


def _batches(groups: Sequence[PairGroup], size: int, seed: int) -> list[list[PairGroup]]:
    lengths = [max(map(len, group.pairs)) for group in groups]
    plan = plan_epoch(lengths, [len(group.pairs) for group in groups], size, seed)
    return [[groups[index] for index in batch] for batch in plan]
