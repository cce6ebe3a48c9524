from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from relevance.calibration import Calibration
from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from tests.training.tiny_models import tiny_dataset
from tests.training.word_encoder import WordEncoder
from training.config import TeacherSettings
from training.evaluation.calibrate import fit_platt
from training.models.cross_encoder import Logits, Progress
from training.optimise.batches import PairGroup, collate
from training.optimise.losses import relevance_logit
from training.teacher import Teacher, TeacherBatches, TeacherData, teacher_loss
from training.teacher import ensemble as ensemble_module
from training.teacher.ensemble import fit_cosine_scale
from training.teacher.members import for_member

PAIR = EncodedPair((101, 5, 102, 6, 102), (0, 0, 0, 1, 1))


def groups(count: int, target: float) -> list[PairGroup]:
    return [PairGroup([PAIR], np.array([target], dtype=np.float32)) for _ in range(count)]


def batches(**changes: float) -> TeacherBatches:
    settings = TeacherSettings.model_validate(
        {"warm_up_pairs": 40, "judged_epochs": 2, "retention_share": 0.5, "pairs_per_batch": 10, **changes}
    )
    return TeacherBatches(TeacherData(groups(30, 1.0), groups(200, 7.0)), settings, 0, seed=0)


def test_it_first_learns_the_bi_encoder_and_is_then_held_to_it() -> None:
    source = batches()
    kinds = [source[step].judged for step in range(len(source))]
    assert kinds[:4] == [False] * 4
    # Two epochs of three judged batches, and as many retention batches among them.
    assert sorted(kinds[4:]) == [False] * 6 + [True] * 6
    assert all(set(source[step].targets.tolist()) == {1.0 if kinds[step] else 7.0} for step in range(len(source)))


def test_a_small_pool_is_shared_between_warm_up_and_retention() -> None:
    settings = TeacherSettings(warm_up_pairs=1000, judged_epochs=1, retention_share=0.5, pairs_per_batch=10)
    source = TeacherBatches(TeacherData(groups(30, 1.0), groups(60, 7.0)), settings, 0, seed=0)
    kinds = [source[step].judged for step in range(len(source))]
    assert kinds[:3] == [False] * 3
    assert sorted(kinds[3:]) == [False] * 3 + [True] * 3


@pytest.mark.parametrize(("changes", "steps"), [({"retention_share": 0.0}, 10), ({"warm_up_pairs": 0}, 12)])
def test_either_part_can_be_left_out(changes: dict[str, float], steps: int) -> None:
    assert len(batches(**changes)) == steps


def test_judged_pairs_take_soft_target_bce_and_the_others_mse() -> None:
    logits = torch.zeros(2)
    group = [PairGroup([PAIR, PAIR], np.array([1.0, 0.5], dtype=np.float32))]
    assert float(teacher_loss(logits, collate(group, 0, judged=True))) == pytest.approx(np.log(2))
    assert float(teacher_loss(logits, collate(group, 0))) == pytest.approx((1.0 + 0.25) / 2)


def test_with_classes_judged_pairs_take_soft_cross_entropy_and_the_others_mse_on_the_relevance_logit() -> None:
    logits = torch.tensor([[0.0, 0.0, 2.0], [1.0, 0.0, 0.0]])
    group = [PairGroup([PAIR, PAIR], np.array([1.0, 0.25], dtype=np.float32))]
    shares = torch.tensor([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    expected = -(shares * torch.log_softmax(logits, 1)).sum(1).mean()
    assert float(teacher_loss(logits, collate(group, 0, judged=True))) == pytest.approx(float(expected))
    gaps = relevance_logit(logits) - torch.tensor([1.0, 0.25])
    assert float(teacher_loss(logits, collate(group, 0))) == pytest.approx(float((gaps**2).mean()))


class Constant:
    """A member that gives every pair one logit."""

    def __init__(self, logit: float) -> None:
        self.logit = logit

    def logits(self, queries: Sequence[str], products: Sequence[Product], progress: Progress | None) -> Logits:
        for _ in queries:
            progress(1)  # type: ignore[misc]
        return np.full(len(queries), self.logit, np.float32)


def ensemble(*logits: float) -> Teacher:
    return Teacher([Constant(logit) for logit in logits], None, Calibration(scale=8.0, bias=-3.0), 0.25)  # type: ignore[misc, arg-type]


def test_the_ensemble_is_the_mean_of_its_members_weighted_against_the_bi_encoder() -> None:
    done: list[int] = []
    products = [Product(title="lamp")] * 3
    scores = ensemble(2.0, 3.0).score_pairs(["lamp"] * 3, products, np.array([0.5, 0.5, 1.0], np.float32), done.append)
    assert scores == pytest.approx([0.25 * 2.5 + 0.75 * 1.0] * 2 + [0.25 * 2.5 + 0.75 * 5.0])
    # Each pair is reported once, however many members score it.
    assert sum(done) == 3


def test_the_cosines_scale_is_fitted_to_every_judged_pair_and_no_text_is_encoded_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ensemble_module, "PRODUCTS_PER_BLOCK", 3)
    dataset, encoder = tiny_dataset(), WordEncoder()
    # In no order of queries or products, as a file may have them.
    shuffled = replace(dataset, judgements=random.Random(0).sample(dataset.judgements, len(dataset.judgements)))
    scale = fit_cosine_scale(shuffled, encoder)
    assert encoder.asked == [4, 3, 3, 3, 3, 3, 1]
    pairs = [(j.query, dataset.products[j.product_id].title) for j in shuffled.judgements]
    cosines = np.array([float(encoder.encode([query])[0] @ encoder.encode([title])[0]) for query, title in pairs])
    expected = fit_platt(cosines, [judgement.target for judgement in shuffled.judgements])
    assert (scale.scale, scale.bias) == pytest.approx((expected.scale, expected.bias), rel=1e-4)


def test_the_ensemble_is_the_weighted_mean_of_logits() -> None:
    combined = ensemble(2.0).combine(np.array([2.0], np.float32), np.array([0.5], np.float32))
    assert combined == pytest.approx(0.25 * 2.0 + 0.75 * (8.0 * 0.5 - 3.0))


def test_a_batch_can_tell_its_kind_and_its_queries() -> None:
    data = TeacherData(
        [PairGroup([PAIR], np.zeros(1, np.float32), query=f"judged {number}") for number in range(12)],
        [PairGroup([PAIR], np.zeros(1, np.float32), query="of the pool") for _ in range(30)],
    )
    settings = TeacherSettings(warm_up_pairs=10, judged_epochs=1, retention_share=0.0, pairs_per_batch=12)
    source = TeacherBatches(data, settings, 0, seed=0)
    assert source.describe(0) == "pool pairs with the bi-encoder's logits of queries 'of the pool'"
    assert source.describe(1).startswith("judged pairs of queries 'judged ")
    assert source.describe(1).endswith(" and 4 more")


def test_members_take_their_own_learning_rate_and_batch_size() -> None:
    members = [{"kind": "encoder"}, {"kind": "encoder", "learning_rate": 0.5, "pairs_per_batch": 3}]
    settings = TeacherSettings.model_validate({"members": members})
    first, second = for_member(settings, 0), for_member(settings, 1)
    assert (first.learning_rate, first.pairs_per_batch) == (settings.learning_rate, settings.pairs_per_batch)
    assert (second.learning_rate, second.pairs_per_batch) == (0.5, 3)


def test_equal_judgements_give_the_cosine_no_scale_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    data = tiny_dataset()
    alike = replace(data, judgements=[replace(judgement, target=0.5) for judgement in data.judgements])
    assert fit_cosine_scale(alike, WordEncoder()) == Calibration()
    assert "scale of the teacher's cosine: not fitted, scale 1" in caplog.text
