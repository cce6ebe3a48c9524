from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from relevance.product import Product
from tests.training.tiny import random_batches, tiny_cross_encoder, tiny_pool
from training.config import STUDENT_TEMPLATE, TEACHER_TEMPLATE, StudentSettings
from training.models.backbone import load_pair_encoder
from training.optimise.losses import soft_binary_cross_entropy
from training.optimise.scorers import forward
from training.optimise.trainer import TrainingHooks
from training.student.auxiliary import AuxiliaryHeads, RepeatedWords, with_auxiliary_tasks
from training.student.distillation import StudentTask, train_student
from training.student.pool_batches import PoolBatches

CASE = Product(
    title="Slim Case, 2-pack",
    brand="Acme",
    color="Red",
    attributes={"fits": "Phone 12", "waterproof": True},
    description="Also sold in blue.",
)


@pytest.mark.parametrize(
    ("query", "overlap", "match"),
    [
        ("red CASE", 1.0, 0.5),
        ("acme phone 12", 1.0, 1.0),
        ("fits acme", 0.5, 0.5),
        ("yes true", 0.5, 0.5),
        ("blue case case", 0.5, 0.0),
        ("lamp", 0.0, 0.0),
        ("?!", 0.0, 0.0),
    ],
)
def test_shares_of_the_querys_words_by_hand(query: str, overlap: float, match: float) -> None:
    words = RepeatedWords(TEACHER_TEMPLATE)
    assert words.targets(query, [CASE, Product(title="Lampshade")]).tolist() == [[overlap, match], [0.0, 0.0]]


def test_what_the_student_does_not_read_is_not_asked_of_it() -> None:
    """The student's own template has no attributes."""
    assert RepeatedWords(STUDENT_TEMPLATE).targets("acme phone", [CASE]).tolist() == [[0.5, 0.5]]


def test_the_relevance_logit_is_the_students_own() -> None:
    student, (batch,) = tiny_cross_encoder(), random_batches(1)
    heads = AuxiliaryHeads(student)
    logits = forward(heads, batch)
    assert logits.shape == (len(batch), 3)
    assert torch.equal(logits[:, 0], forward(student, batch))
    assert logits[:, 1:].std() > 0


def test_each_task_adds_its_soft_target_cross_entropy() -> None:
    (batch,) = random_batches(1)
    batch = replace(batch, auxiliary=torch.rand(len(batch), 2, generator=torch.Generator().manual_seed(0)))
    logits = torch.randn(len(batch), 3, generator=torch.Generator().manual_seed(1))

    def relevance(own: Tensor, _: object) -> Tensor:
        return own.sum()

    overlap, match = (soft_binary_cross_entropy(logits[:, 1 + task], batch.auxiliary[:, task]) for task in range(2))
    expected = logits[:, 0].sum() + 0.3 * overlap + 2.0 * match
    assert torch.allclose(with_auxiliary_tasks(relevance, (0.3, 2.0))(logits, batch), expected)
    assert torch.allclose(with_auxiliary_tasks(relevance, (0.0, 2.0))(logits, batch), logits[:, 0].sum() + 2.0 * match)


def test_targets_are_of_what_the_student_is_shown() -> None:
    pool = tiny_pool()
    shown = {}
    for share in (0.0, 1.0):
        settings = StudentSettings(match_weight=1.0, title_only_share=share)
        pool.queries[:] = ["acme"] * len(pool.queries)
        batches = PoolBatches(pool, np.zeros(len(pool), np.float32), load_pair_encoder(settings.template), settings, 0)
        shown[share] = batches[0].auxiliary
    assert bool((shown[0.0] == 1.0).all())
    assert bool((shown[1.0] == 0.0).all())


def test_heads_move_the_student_and_are_gone_afterwards() -> None:
    pool = tiny_pool()
    labels = np.random.default_rng(0).normal(size=len(pool)).astype(np.float32)
    start = tiny_cross_encoder()
    trained = {}
    for weight in (0.0, 1.0):
        student = copy.deepcopy(start)
        settings = StudentSettings(layers=(0, 1), pairs_per_batch=10, overlap_weight=weight, title_only_share=0.0)
        train_student(student, StudentTask(pool, labels, settings, 0), TrainingHooks())
        assert student.state_dict().keys() == start.state_dict().keys()
        trained[weight] = student.bert.encoder.layer[0].output.dense.weight
    assert not torch.equal(trained[0.0], trained[1.0])


def test_a_student_learns_a_task() -> None:
    """Half of the queries name the brand of every product, the others nothing: a coin would give log 2."""
    pool = tiny_pool(queries=14, per_query=20)
    pool.queries[:] = ["acme", "bolt"] * 7
    settings = StudentSettings(
        layers=(0, 1), pairs_per_batch=40, epochs=10, match_weight=1.0, title_only_share=0.0, learning_rate=1e-2
    )
    losses: list[float] = []

    def observe(step: int, steps: int, loss: float) -> None:
        losses.append(loss)

    hooks = TrainingHooks(observers=[observe])
    train_student(tiny_cross_encoder(), StudentTask(pool, np.zeros(len(pool), np.float32), settings, 0), hooks)
    assert losses[0] > 0.5
    assert np.mean(losses[-7:]) < 0.1
