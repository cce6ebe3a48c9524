"""The student: a cross-encoder made of a few of the teacher's layers, distilled on the labelled pool."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import BertForSequenceClassification

from relevance.pair_encoding import EncodedText, PairEncoder
from relevance.product import Product
from training.backbone import load_pair_encoder
from training.batches import Batch, PairGroup, collate, plan_epoch
from training.config import StudentSettings
from training.cross_encoder import Logits
from training.datasets.schema import Dataset
from training.divergence import name_queries
from training.errors import ConfigError, RunDirectoryError
from training.losses import human_cross_entropy, listwise_kl, margin_mse, pointwise_mse, ranknet
from training.pool import Pool
from training.trainer import Optimisation, TrainingHooks, train


def student_from(teacher: BertForSequenceClassification, layers: Sequence[int]) -> BertForSequenceClassification:
    """A copy of the teacher's cross-encoder that keeps only `layers` (numbered from 0)."""
    depth = len(teacher.bert.encoder.layer)
    if max(layers) >= depth:
        raise ConfigError(f"student.layers is {tuple(layers)}, but the teacher has layers 0 to {depth - 1}")
    student = copy.deepcopy(teacher)
    student.bert.encoder.layer = torch.nn.ModuleList([student.bert.encoder.layer[layer] for layer in layers])
    student.config.num_hidden_layers = len(layers)
    return student


class PoolBatches:
    """The labelled pool as batches: whole queries, several epochs, each in its own order.

    For a part of the queries of each epoch (`title_only_share`) the products are rendered by their title
    alone, so that the student also serves shops that send nothing else.
    """

    def __init__(self, pool: Pool, labels: Logits, encoder: PairEncoder, settings: StudentSettings, seed: int) -> None:
        self._pool, self._labels, self._encoder = pool, labels, encoder
        self._queries = encoder.encode_queries(pool.queries)
        self._full = encoder.encode_products(pool.products)
        self._bare = encoder.encode_products([Product(title=product.title) for product in pool.products])
        sizes = [rows.stop - rows.start for rows in pool.groups]
        lengths = [max(len(self._full[row].ids) for row in pool.product_of[rows]) for rows in pool.groups]
        self._epochs = settings.epochs
        self._steps: list[tuple[list[int], npt.NDArray[np.bool_]]] = []
        self._epoch_of: list[int] = []
        for epoch in range(settings.epochs):
            rng = np.random.default_rng((seed, epoch))
            for groups in plan_epoch(lengths, sizes, settings.pairs_per_batch, seed + epoch):
                self._steps.append((groups, rng.random(len(groups)) < settings.title_only_share))
                self._epoch_of.append(epoch)
        if settings.max_steps is not None:
            del self._steps[settings.max_steps :]

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, step: int) -> Batch:
        groups, bare = self._steps[step]
        chosen = [
            self._group(self._pool.groups[number], self._bare if title_only else self._full)
            for number, title_only in zip(groups, bare, strict=True)
        ]
        return collate(chosen, self._encoder.pad_id)

    def describe(self, step: int) -> str:
        """The epoch and the queries of a step's batch, for an error message."""
        groups, _ = self._steps[step]
        texts = (self._pool.queries[self._pool.query_of[self._pool.groups[number].start]] for number in groups)
        return f"epoch {self._epoch_of[step] + 1} of {self._epochs}, {name_queries(texts)}"

    def _group(self, rows: slice, products: Sequence[EncodedText]) -> PairGroup:
        query = self._queries[self._pool.query_of[rows.start]]
        pairs = [self._encoder.pair(query, products[row]) for row in self._pool.product_of[rows]]
        human = None if self._pool.human is None else self._pool.human[rows]
        return PairGroup(pairs, self._labels[rows], human)


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


def train_student(
    student: BertForSequenceClassification,
    pool: Pool,
    labels: Logits,
    settings: StudentSettings,
    run: tuple[int, TrainingHooks],
) -> None:
    """Distil in place; `run` is the seed and the hooks."""
    seed, hooks = run
    if settings.human_weight and pool.human is None:
        raise ConfigError("student.human_weight needs human targets, but the pool has none: see with_human_targets")
    torch.manual_seed(seed)
    freeze(student, settings.frozen_layers)
    initial = {name: weights.clone() for name, weights in student.state_dict().items()}
    batches = PoolBatches(pool, labels, load_pair_encoder(settings.template, settings.backbone), settings, seed)
    loss = partial(distillation_loss, settings=settings)
    optimisation = Optimisation(settings.learning_rate, micro_batch_pairs=settings.micro_batch_pairs)
    train(student, batches, loss, optimisation, hooks)
    average_weights(student, initial, settings.initial_share)


def freeze(student: BertForSequenceClassification, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers as they are."""
    for module in (student.bert.embeddings, *student.bert.encoder.layer[:layers]):
        module.requires_grad_(False)


@torch.no_grad()
def average_weights(student: BertForSequenceClassification, initial: Mapping[str, Tensor], share: float) -> None:
    """Move the student's weights `share` of the way back to `initial`, in place.

    Fine-tuned and initial weights lie in one basin, and between them is a model that keeps more of the
    initial one's breadth than it loses of what was learnt (WiSE-FT, Wortsman et al., CVPR 2022).
    """
    for name, weights in student.state_dict().items():
        if weights.is_floating_point():
            weights.lerp_(initial[name], share)
