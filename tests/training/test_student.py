from __future__ import annotations

import numpy as np
import pytest
import torch

from training.backbone import load_pair_encoder
from training.config import STUDENT_TEMPLATE, StudentSettings
from training.errors import ConfigError
from training.student import PoolBatches, average_weights, student_from, train_student
from training.trainer import TrainingHooks

from .tiny import tiny_cross_encoder, tiny_pool


def test_the_student_keeps_the_chosen_layers_and_the_head() -> None:
    teacher = tiny_cross_encoder(layers=4)
    student = student_from(teacher, [0, 3])
    assert student.config.num_hidden_layers == 2
    for kept, chosen in zip(student.bert.encoder.layer, (0, 3), strict=True):
        for name, weights in teacher.bert.encoder.layer[chosen].state_dict().items():
            assert torch.equal(weights, kept.state_dict()[name])
    student.classifier.bias.data.fill_(5.0)
    assert float(teacher.classifier.bias.detach()) != 5.0


def test_a_layer_that_the_teacher_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match="layers 0 to 1"):
        student_from(tiny_cross_encoder(layers=2), [0, 5])


def test_each_epoch_visits_every_pair_once_with_its_label() -> None:
    pool = tiny_pool()
    labels = np.arange(len(pool), dtype=np.float32)
    settings = StudentSettings(epochs=2, pairs_per_batch=10)
    batches = PoolBatches(pool, labels, load_pair_encoder(STUDENT_TEMPLATE), settings, seed=0)
    seen = np.concatenate([batches[step].targets.numpy() for step in range(len(batches))])
    assert sorted(seen.tolist()) == sorted([*labels.tolist(), *labels.tolist()])


def test_training_can_end_before_the_epoch_does() -> None:
    pool = tiny_pool()
    settings = StudentSettings(epochs=3, pairs_per_batch=10, max_steps=4)
    assert (
        len(PoolBatches(pool, np.zeros(len(pool), np.float32), load_pair_encoder(STUDENT_TEMPLATE), settings, 0)) == 4
    )


def test_frozen_layers_stay_as_they_are_in_the_teacher() -> None:
    pool, student, settings = tiny_pool(), tiny_cross_encoder(layers=3), StudentSettings(frozen_layers=1, epochs=2)
    before = {name: weights.clone() for name, weights in student.bert.state_dict().items()}
    train_student(student, pool, np.ones(len(pool), np.float32), settings, (0, TrainingHooks()))
    changed = {name for name, weights in student.bert.state_dict().items() if not torch.equal(weights, before[name])}
    assert not [name for name in changed if name.startswith(("embeddings", "encoder.layer.0."))]
    assert [name for name in changed if name.startswith("encoder.layer.1.")]


def test_averaging_goes_part_of_the_way_back() -> None:
    trained, initial = tiny_cross_encoder(seed=1), tiny_cross_encoder(seed=2).state_dict()
    before = {name: weights.clone() for name, weights in trained.state_dict().items()}
    average_weights(trained, initial, 0.25)
    for name, weights in trained.state_dict().items():
        torch.testing.assert_close(weights, 0.75 * before[name] + 0.25 * initial[name])


@pytest.mark.parametrize(("share", "tokens"), [(0.0, 9), (1.0, 8)])
def test_title_only_batches_leave_the_brand_out(share: float, tokens: int) -> None:
    pool = tiny_pool()
    settings = StudentSettings(epochs=1, pairs_per_batch=1000, title_only_share=share)
    batch = PoolBatches(pool, np.zeros(len(pool), np.float32), load_pair_encoder(STUDENT_TEMPLATE), settings, 0)[0]
    # [CLS] two words [SEP] two words and a number (and the brand) [SEP]: "acme" is one or more word pieces.
    shortest = int(batch.attention_mask.sum(1).min())
    assert shortest >= tokens if share == 0.0 else shortest == tokens


def test_the_student_learns_the_teachers_margins() -> None:
    pool = tiny_pool()
    labels = np.random.default_rng(0).normal(size=len(pool)).astype(np.float32)
    student = tiny_cross_encoder()
    losses: list[float] = []
    settings = StudentSettings(epochs=60, pairs_per_batch=32, learning_rate=1e-2)
    hooks = TrainingHooks(observers=[lambda step, steps, loss: losses.append(loss)])
    train_student(student, pool, labels, settings, (0, hooks))
    # Some pairs come twice with different labels, so the loss can not reach zero.
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])
