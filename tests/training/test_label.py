from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from transformers import BertForSequenceClassification

from relevance.calibration import Calibration
from training import label
from training.backbone import load_pair_encoder
from training.config import TEACHER_TEMPLATE
from training.errors import DivergenceError, RunDirectoryError
from training.label import label_pool, load_labels, shard_path
from training.pair_rule import EncoderInput
from training.run_directory import RunDirectory, Stage
from training.teacher import Member, Teacher

from .tiny import tiny_cross_encoder, tiny_pool


class NoBiEncoder:
    """Labelling takes the pool's cosines; it never encodes a text by itself."""


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label, "PAIRS_PER_SHARD", 8)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return RunDirectory(tmp_path, {}).stage("labels")


def teacher(model: BertForSequenceClassification | None = None) -> Teacher:
    rule = EncoderInput(load_pair_encoder(TEACHER_TEMPLATE))
    members = [Member(model or tiny_cross_encoder(), rule)]
    return Teacher(members, NoBiEncoder(), Calibration(scale=8, bias=-3), 0.5)  # type: ignore[arg-type]


def test_every_pair_gets_the_teachers_own_logit(stage: Stage) -> None:
    pool, teach = tiny_pool(), teacher()
    label_pool(teach, pool, stage)
    labels = load_labels(stage)
    assert labels.shape == (len(pool),)
    for row in (0, 7, 8, len(pool) - 1):
        query, product = pool.queries[pool.query_of[row]], pool.products[pool.product_of[row]]
        alone = teach.score_pairs([query], [product], pool.cosine[row : row + 1])
        # Loose: the forward pass is bf16 where the machine has it, and the batch differs.
        assert labels[row] == pytest.approx(alone[0], abs=0.02)


def test_finished_shards_are_kept_and_missing_ones_made(stage: Stage) -> None:
    pool = tiny_pool()
    label_pool(teacher(), pool, stage)
    whole = load_labels(stage)
    kept = shard_path(stage, 1).stat().st_mtime_ns
    shard_path(stage, 0).unlink()
    shard_path(stage, 3).unlink()
    (stage.directory / "manifest.json").unlink()
    done: list[int] = []
    label_pool(teacher(), pool, stage, done.append)
    assert sum(done) == len(pool)
    assert shard_path(stage, 1).stat().st_mtime_ns == kept
    np.testing.assert_array_equal(load_labels(stage), whole)


@pytest.mark.parametrize("damage", ["truncated", "shifted", "missing"])
def test_a_damaged_shard_is_named(stage: Stage, damage: str) -> None:
    label_pool(teacher(), tiny_pool(), stage)
    path = shard_path(stage, 1)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "shifted":
        pq.write_table(pq.read_table(shard_path(stage, 2)), path)
    else:
        path.unlink()
    with pytest.raises(RunDirectoryError, match=path.name):
        load_labels(stage)


def test_a_teacher_that_gives_no_number_stops_the_labelling(stage: Stage) -> None:
    model = tiny_cross_encoder()
    model.classifier.bias.data.fill_(float("nan"))
    with pytest.raises(DivergenceError, match="pool pair 0 is not finite"):
        label_pool(teacher(model), tiny_pool(), stage)
    assert not stage.finished
