from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from relevance.product import Product
from tests.training.tiny import random_batches, save_pool, tiny_cross_encoder, tiny_pool
from training.config import STUDENT_TEMPLATE, StudentSettings
from training.datasets.schema import Dataset, Judgement
from training.errors import ConfigError, RunDirectoryError
from training.models.backbone import load_pair_encoder
from training.optimise.losses import margin_mse, pointwise_mse
from training.optimise.trainer import TrainingHooks
from training.pool import Pool, load_pool
from training.run_directory import Stage
from training.student import pool_batches
from training.student.distillation import (
    PoolBatches,
    StudentTask,
    average_weights,
    distillation_loss,
    student_from,
    train_student,
    with_human_targets,
)


def judged_pool() -> tuple[Pool, Dataset]:
    """The tiny pool, and judgements of its first seven pairs: the first query's and two of the second's."""
    pool = tiny_pool()
    products = [product.model_copy(update={"id": f"p{row}"}) for row, product in enumerate(pool.products)]
    pool = replace(pool, products=[*products, Product(id="p0", title="of another shop")])
    judgements = [
        Judgement(pool.queries[query], f"p{product}", row / 10)
        for row, (query, product) in enumerate(zip(pool.query_of[:7], pool.product_of[:7], strict=True))
    ]
    return pool, Dataset("shop", {f"p{row}": product for row, product in enumerate(products)}, judgements)


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


def test_queries_of_several_sizes_give_their_own_longest_product(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_batches, "GROUPS_AT_ONCE", 3)
    query_of, product_of = np.repeat([0, 1, 2, 3, 4], [1, 3, 2, 1, 2]), np.array([2, 0, 1, 0, 0, 2, 3, 2, 0])
    pool = replace(tiny_pool(), query_of=query_of, product_of=product_of, source=np.zeros(0, np.int8))
    assert pool_batches.longest_of_groups([4, 7, 5, 9], pool).tolist() == [5, 7, 5, 9, 5]


def test_epochs_differ_and_follow_from_the_seed() -> None:
    pool = tiny_pool(queries=20)
    labels = np.arange(len(pool), dtype=np.float32)
    settings = StudentSettings(epochs=2, pairs_per_batch=10)

    def order(seed: int) -> list[float]:
        batches = PoolBatches(pool, labels, load_pair_encoder(STUDENT_TEMPLATE), settings, seed)
        return [float(target) for step in range(len(batches)) for target in batches[step].targets]

    first = order(0)
    assert first == order(0)
    assert first != order(1)
    assert first[: len(pool)] != first[len(pool) :]


def test_training_can_end_before_the_epoch_does() -> None:
    pool = tiny_pool()
    settings = StudentSettings(epochs=3, pairs_per_batch=10, max_steps=4)
    assert (
        len(PoolBatches(pool, np.zeros(len(pool), np.float32), load_pair_encoder(STUDENT_TEMPLATE), settings, 0)) == 4
    )


def test_frozen_layers_stay_as_they_are_in_the_teacher() -> None:
    pool, student, settings = tiny_pool(), tiny_cross_encoder(layers=3), StudentSettings(frozen_layers=1, epochs=2)
    before = {name: weights.clone() for name, weights in student.bert.state_dict().items()}
    train_student(student, StudentTask(pool, np.ones(len(pool), np.float32), settings, 0), TrainingHooks())
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
    train_student(student, StudentTask(pool, labels, settings, 0), hooks)
    # Some pairs come twice with different labels, so the loss can not reach zero.
    assert np.mean(losses[-5:]) < 0.75 * np.mean(losses[:5])


def test_by_default_the_loss_is_the_anchored_margin_mse() -> None:
    batch = random_batches(1)[0]
    logits = torch.randn(len(batch), generator=torch.Generator().manual_seed(0))
    pairwise = (logits, batch.targets, batch.group)
    expected = margin_mse(*pairwise) + 0.3 * pointwise_mse(logits, batch.targets)
    assert float(distillation_loss(logits, batch, StudentSettings())) == float(expected)


@pytest.mark.parametrize("loss", ["margin_mse", "ranknet", "listwise_kl", "pointwise_mse"])
def test_the_anchor_holds_the_absolute_score_of_every_loss(loss: str) -> None:
    batch = random_batches(1)[0]
    anchored, free = (
        StudentSettings.model_validate({"loss": loss, "anchor": anchor, "temperature": 2.0}) for anchor in (0.5, 0.0)
    )
    shifted = batch.targets + 3.0
    moved = float(distillation_loss(shifted, batch, anchored)) - float(
        distillation_loss(batch.targets, batch, anchored)
    )
    assert moved == pytest.approx(9.0 if loss == "pointwise_mse" else 0.5 * 9.0, rel=1e-4)
    if loss != "pointwise_mse":
        unmoved = float(distillation_loss(batch.targets, batch, free))
        assert float(distillation_loss(shifted, batch, free)) == pytest.approx(unmoved, abs=1e-5)


@pytest.mark.parametrize("loss", ["ranknet", "listwise_kl", "pointwise_mse"])
def test_the_student_learns_the_teachers_order_with_each_loss(loss: str) -> None:
    pool, losses = tiny_pool(queries=3), list[float]()
    labels = np.random.default_rng(0).normal(size=len(pool)).astype(np.float32)
    settings = StudentSettings.model_validate({"loss": loss, "epochs": 40, "learning_rate": 1e-2})
    hooks = TrainingHooks(observers=[lambda step, steps, value: losses.append(value)])
    train_student(tiny_cross_encoder(), StudentTask(pool, labels, settings, 0), hooks)
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])


def test_judgements_reach_their_pairs_in_the_batches(tmp_path: Path) -> None:
    drawn, judged = judged_pool()
    save_pool(drawn, Stage(tmp_path))
    pool = with_human_targets(load_pool(Stage(tmp_path)), judged)
    settings = StudentSettings(pairs_per_batch=10)
    # Each pair's label is its number, so that it can be told in whichever batch it is.
    numbers = np.arange(len(pool), dtype=np.float32)
    source = PoolBatches(pool, numbers, load_pair_encoder(STUDENT_TEMPLATE), settings, 0)
    found = {
        int(number): float(human)
        for step in range(len(source))
        for number, human in zip(source[step].targets, source[step].human, strict=True)
    }
    assert len(found) == len(pool)
    assert [found[row] for row in range(7)] == pytest.approx([row / 10 for row in range(7)])
    assert all(np.isnan(found[row]) for row in range(7, len(pool)))


def test_a_pool_that_does_not_begin_with_the_judged_pairs_is_refused() -> None:
    pool, judged = judged_pool()
    others = replace(pool, product_of=np.roll(pool.product_of, 1))
    with pytest.raises(RunDirectoryError, match="does not begin with the judged pairs"):
        with_human_targets(others, judged)


def test_judgements_are_asked_for_only_where_they_are() -> None:
    pool, labels = tiny_pool(), np.zeros(len(tiny_pool()), np.float32)
    with pytest.raises(ConfigError, match=r"student\.human_weight"):
        train_student(
            tiny_cross_encoder(), StudentTask(pool, labels, StudentSettings(human_weight=0.5), 0), TrainingHooks()
        )


def test_people_overrule_the_teacher_where_their_weight_says_so() -> None:
    batch = random_batches(1)[0]
    logits = torch.zeros(len(batch), requires_grad=True)
    # Every second pair is judged 0.75, which is above these logits; the teacher has them where they should be.
    agreed = replace(batch, targets=torch.zeros(len(batch)))
    distillation_loss(logits, agreed, StudentSettings(human_weight=2.0)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    expected = [-2.0 * 0.25 / len(batch) if judged else 0.0 for judged in ~batch.human.isnan()]
    assert logits.grad.tolist() == pytest.approx(expected)


def test_a_batch_can_tell_its_epoch_and_its_queries() -> None:
    pool = tiny_pool()
    settings = StudentSettings(epochs=2, pairs_per_batch=15)
    source = PoolBatches(pool, np.zeros(len(pool), np.float32), load_pair_encoder(STUDENT_TEMPLATE), settings, 0)
    told = [source.describe(step) for step in range(len(source))]
    assert [text.partition(",")[0] for text in told] == ["epoch 1 of 2"] * 2 + ["epoch 2 of 2"] * 2
    assert all(sum(repr(query) in text for text in told) == 2 for query in pool.queries)
