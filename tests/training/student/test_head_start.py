from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from relevance.pair_encoding import PairEncoder
from tests.training.models.split.test_student import encoder_model
from tests.training.tiny import tiny_pool
from training.config import STUDENT_TEMPLATE, SplitSettings, StudentSettings
from training.models.backbone import load_pair_encoder
from training.models.split.start import initial_split
from training.models.split.student import FEATURE_SCALE, SplitStudent
from training.optimise.batches import Batch
from training.optimise.losses import margin_mse
from training.optimise.trainer import TrainingHooks
from training.pool import Pool
from training.student import StudentTask, train_student
from training.student.head_start import fit_head
from training.student.pool_batches import PoolBatches

POOL = tiny_pool(queries=30)


@pytest.fixture(scope="module")
def rule() -> PairEncoder:
    return load_pair_encoder(STUDENT_TEMPLATE)


def student_of(rule: PairEncoder, **settings: object) -> SplitStudent:
    shape = SplitSettings.model_validate({"latent_width": 16, **settings})
    student = initial_split(encoder_model(), shape, rule.encode_products(POOL.products), rule)
    student.train(False)
    return student


def batches_labelled(rule: PairEncoder, label: Callable[[Batch], torch.Tensor]) -> list[Batch]:
    unlabelled = PoolBatches(POOL, np.zeros(len(POOL), np.float32), rule, StudentSettings(pairs_per_batch=16), 0)
    return [replace(batch, targets=label(batch)) for batch in (unlabelled[step] for step in range(len(unlabelled)))]


def test_a_teacher_of_the_features_alone_is_met_exactly(rule: PairEncoder) -> None:
    student = student_of(rule)
    wanted = torch.tensor([6.0, 2.0, -0.5])

    def label(batch: Batch) -> torch.Tensor:
        return (student.features_of(batch) @ wanted - 4.0).detach()

    batches = batches_labelled(rule, label)
    fit_head(student, batches)
    torch.testing.assert_close(student.features.weight[0] * FEATURE_SCALE, wanted, atol=2e-3, rtol=0)
    for batch in batches:
        torch.testing.assert_close(student.score_exactly(batch), batch.targets, atol=1e-3, rtol=0)


def test_no_other_weights_of_the_features_have_less_of_margin_mse(rule: PairEncoder) -> None:
    student, noise = student_of(rule), np.random.default_rng(0)
    batches = batches_labelled(rule, lambda batch: torch.from_numpy(noise.normal(size=len(batch.group))).float())

    def loss() -> float:
        # In sums over queries: batches hold different numbers of them.
        return sum(
            float(margin_mse(student.score_exactly(batch).double(), batch.targets.double(), batch.group, 1))
            for batch in batches
        )

    fit_head(student, batches)
    with torch.no_grad():
        least, fitted = loss(), student.features.weight.clone()
        for direction in torch.eye(3):
            for step in (-0.05, 0.05):
                student.features.weight.copy_(fitted + step * direction)
                assert loss() > least


def trained(rule: PairEncoder, pool: Pool, share: float, **split: object) -> SplitStudent:
    split = {"latent_width": 16, **split}
    settings = StudentSettings.model_validate(
        {"kind": "split", "split": split, "template": STUDENT_TEMPLATE, "initial_share": share, "learning_rate": 1e-2}
    )
    student = student_of(rule, **split)
    train_student(student, StudentTask(pool, np.arange(len(pool), dtype=np.float32) / 9, settings, 0), TrainingHooks())
    return student


def test_averaging_goes_back_to_the_fitted_head_and_not_to_the_one_before(rule: PairEncoder) -> None:
    start = student_of(rule)
    labels = np.arange(len(POOL), dtype=np.float32) / 9
    settings = StudentSettings.model_validate({"kind": "split", "template": STUDENT_TEMPLATE})
    fit_head(start, PoolBatches(POOL, labels, rule, settings, 0))
    ended, halfway = (trained(rule, POOL, share) for share in (0.0, 0.5))
    for name, weights in halfway.state_dict().items():
        torch.testing.assert_close(weights, (ended.state_dict()[name] + start.state_dict()[name]) / 2)


def test_a_head_is_fitted_only_where_it_is_asked_for_and_has_features(rule: PairEncoder) -> None:
    first: dict[bool, float] = {}
    for fitted in (True, False):
        losses: list[float] = []
        settings = StudentSettings.model_validate(
            {"kind": "split", "split": {"latent_width": 16, "fitted_head": fitted}, "template": STUDENT_TEMPLATE}
        )
        labels = 5 + 3 * np.random.default_rng(0).normal(size=len(POOL)).astype(np.float32)
        hooks = TrainingHooks(observers=[lambda step, steps, loss, seen=losses: seen.append(loss)])
        train_student(student_of(rule), StudentTask(POOL, labels, settings, 0), hooks)
        first[fitted] = losses[0]
    assert first[True] < 0.7 * first[False]
    trained(rule, POOL, 0.0, late_interaction=False)
