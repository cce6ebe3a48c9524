from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from relevance.pair_encoding import PairEncoder
from tests.training.student.test_head_start import POOL, student_of, trained
from training.config import STUDENT_TEMPLATE, SplitSettings, StudentSettings
from training.errors import ConfigError
from training.models.backbone import load_pair_encoder
from training.models.split.files import load_split, save_split
from training.models.split.student import SplitStudent
from training.optimise.trainer import TrainingHooks
from training.student import StudentTask, train_student
from training.student.pool_batches import PoolBatches
from training.student.pruning import fewest_inputs, prune_joint_layers


@pytest.fixture(scope="module")
def rule() -> PairEncoder:
    return load_pair_encoder(STUDENT_TEMPLATE)


def moment_of(inputs: Tensor) -> Tensor:
    with_one = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=inputs.dtype)], dim=1)
    return with_one.T @ with_one / len(inputs)


def error(moment: Tensor, weights: Tensor, kept: Tensor, fitted: Tensor) -> float:
    """Mean squared error of the smaller map."""
    change = -weights.clone()
    change[[*kept.tolist(), len(weights) - 1]] += fitted
    return float((change * (moment @ change)).sum())


def random_map(seed: int, inputs: int) -> tuple[Tensor, Tensor]:
    """A moment of correlated inputs, and a map of them to three numbers."""
    noise = torch.Generator().manual_seed(seed)
    mixing = torch.randn(inputs, inputs, generator=noise, dtype=torch.float64)
    rows = torch.randn(200, inputs, generator=noise, dtype=torch.float64) @ mixing + 0.5
    return moment_of(rows), torch.randn(inputs + 1, 3, generator=noise, dtype=torch.float64)


@given(st.integers(0, 10**6))
def test_the_first_to_go_is_the_one_that_is_missed_least(seed: int) -> None:
    moment, weights = random_map(seed, inputs=6)
    kept, fitted = fewest_inputs(moment, weights, 5)
    errors = []
    for chosen in combinations(range(6), 5):
        rows = torch.tensor([*chosen, 6])
        best = torch.linalg.solve(moment[rows][:, rows], moment[rows] @ weights)
        errors.append(error(moment, weights, rows[:-1], best))
    assert error(moment, weights, kept, fitted) == pytest.approx(min(errors), rel=1e-3, abs=1e-6)


@given(st.integers(0, 10**6))
def test_what_others_can_stand_for_goes_without_a_trace(seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    few = torch.randn(100, 4, generator=noise, dtype=torch.float64)
    inputs = torch.cat([few, few @ torch.randn(4, 80, generator=noise, dtype=torch.float64)], dim=1)
    # Always the same, so that the bias can stand for it.
    inputs = torch.cat([inputs, torch.full((100, 1), 3.0, dtype=torch.float64)], dim=1)
    weights = torch.randn(86, 2, generator=noise, dtype=torch.float64)
    moment = moment_of(inputs)
    kept, fitted = fewest_inputs(moment, weights, 4)
    assert kept.tolist() == sorted(kept.tolist()) and len(kept) == 4 and 84 not in kept
    assert error(moment, weights, kept, fitted) < 1e-3 * float((weights * (moment @ weights)).sum())


def test_more_is_missed_the_fewer_are_left() -> None:
    moment, weights = random_map(0, inputs=150)
    errors = [error(moment, weights, *fewest_inputs(moment, weights, count)) for count in (150, 100, 50, 10)]
    assert errors[0] == pytest.approx(0.0, abs=1e-3)
    assert errors == sorted(errors)


def logits_of(student: SplitStudent, batches: PoolBatches) -> Tensor:
    with torch.no_grad():
        return torch.cat([student.score_exactly(batches[step]) for step in range(len(batches))])


def test_a_student_whose_units_come_twice_needs_half_of_them(rule: PairEncoder, tmp_path: Path) -> None:
    settings = StudentSettings.model_validate({"kind": "split", "template": STUDENT_TEMPLATE, "pairs_per_batch": 16})
    batches = PoolBatches(POOL, np.zeros(len(POOL), np.float32), rule, settings, 0)
    student = student_of(rule, joint_layers=2)
    torch.nn.init.normal_(student.head.weight)
    units = student.joint[0].output.dense.in_features
    for layer in student.joint:
        up, half = layer.intermediate.dense, units // 2
        up.weight, up.bias = nn.Parameter(up.weight[:half].repeat(2, 1)), nn.Parameter(up.bias[:half].repeat(2))
    before = logits_of(student, batches)
    prune_joint_layers(student, batches, units // 2)
    assert [layer.output.dense.in_features for layer in student.joint] == [units // 2] * 2
    torch.testing.assert_close(logits_of(student, batches), before, atol=1e-3, rtol=0)
    save_split(student, tmp_path)
    torch.testing.assert_close(logits_of(load_split(tmp_path), batches), logits_of(student, batches))


def test_too_few_pairs_are_refused_before_anything_is_learnt(rule: PairEncoder) -> None:
    settings = StudentSettings.model_validate(
        {
            "kind": "split",
            "split": {"units_left": 8},
            "template": STUDENT_TEMPLATE,
            "max_steps": 1,
            "pairs_per_batch": 4,
        }
    )
    task = StudentTask(POOL, np.zeros(len(POOL), np.float32), settings, 0)
    hooks = TrainingHooks(observers=[lambda step, steps, loss: pytest.fail("it has learnt")])
    with pytest.raises(ConfigError, match=r"units_left needs \d+ pairs .*: leave it out, or enlarge pool\.pairs"):
        train_student(student_of(rule), task, hooks)


def test_a_trained_student_has_as_many_units_as_are_to_be_left(rule: PairEncoder) -> None:
    student = trained(rule, POOL, 0.5, units_left=8)
    assert [layer.intermediate.dense.out_features for layer in student.joint] == [8]
    assert student.settings.joint_units == 8


def test_more_units_cannot_be_left_than_there_are() -> None:
    with pytest.raises(ValueError, match=r"units_left is 9, but student\.split\.joint_units only 8"):
        SplitSettings(joint_units=8, units_left=9)
    assert SplitSettings(joint_units=8, units_left=8).units_left == 8
