from __future__ import annotations

import errno
import logging
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import BertForSequenceClassification

from relevance.calibration import Calibration
from tests.training.tiny import tiny_cross_encoder, tiny_pool
from training.config import TEACHER_TEMPLATE, LabellingSettings
from training.errors import DivergenceError, RunDirectoryError
from training.labels import label_pool, load_labels, shards
from training.labels.shards import Shard, read_shard, shard_path
from training.models.backbone import load_pair_encoder
from training.models.pair_rule import EncoderInput
from training.run_directory import RunDirectory, Stage
from training.teacher import Member, Teacher

SMALL = LabellingSettings(pairs_per_shard=8)


class NoBiEncoder:
    """Labelling takes the pool's cosines; it never encodes a text by itself."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return RunDirectory(tmp_path, {}).stage("labels")


def teacher(model: BertForSequenceClassification | None = None) -> Teacher:
    rule = EncoderInput(load_pair_encoder(TEACHER_TEMPLATE))
    members = [Member(model or tiny_cross_encoder(), rule)]
    return Teacher(members, NoBiEncoder(), Calibration(scale=8, bias=-3), 0.5)  # type: ignore[arg-type]


def broken_teacher() -> Teacher:
    model = tiny_cross_encoder()
    model.classifier.bias.data.fill_(float("nan"))
    return teacher(model)


def unfinish(stage: Stage) -> None:
    """As if the run had been killed before the stage's manifest."""
    (stage.directory / "manifest.json").unlink()


def test_every_pair_gets_the_teachers_own_logit(stage: Stage) -> None:
    pool, teach = tiny_pool(), teacher()
    label_pool(teach, pool, stage, settings=SMALL)
    labels = load_labels(stage)
    assert labels.shape == (len(pool),)
    for row in (0, 7, 8, len(pool) - 1):
        query, product = pool.queries[pool.query_of[row]], pool.products[pool.product_of[row]]
        alone = teach.score_pairs([query], [product], pool.cosine[row : row + 1])
        # Loose: the forward pass is bf16 where the machine has it, and the batch differs.
        assert labels[row] == pytest.approx(alone[0], abs=0.02)


def test_labels_are_mapped_and_not_read_into_memory(stage: Stage) -> None:
    label_pool(teacher(), tiny_pool(), stage, settings=SMALL)
    labels = load_labels(stage)
    assert isinstance(labels.base, np.memmap)
    assert labels.dtype == np.float32
    assert not labels.flags.writeable


def test_finished_shards_are_kept_and_missing_ones_made(stage: Stage) -> None:
    pool = tiny_pool()
    label_pool(teacher(), pool, stage, settings=SMALL)
    whole = np.array(load_labels(stage))
    kept = shard_path(stage, 1).stat().st_mtime_ns
    shard_path(stage, 0).unlink()
    shard_path(stage, 3).unlink()
    unfinish(stage)
    done: list[int] = []
    label_pool(teacher(), pool, stage, done.append, SMALL)
    # 30 pairs in shards of 8, 8, 8 and 6. What was there is told first and in one go: it is no speed.
    assert done[0] == 16
    assert sum(done) == len(pool)
    assert shard_path(stage, 1).stat().st_mtime_ns == kept
    np.testing.assert_array_equal(load_labels(stage), whole)


def test_a_run_goes_on_with_the_shards_it_began_with(stage: Stage) -> None:
    pool = tiny_pool()
    label_pool(teacher(), pool, stage, settings=SMALL)
    unfinish(stage)
    done: list[int] = []
    label_pool(teacher(), pool, stage, done.append, LabellingSettings(pairs_per_shard=5))
    assert done == [len(pool)]
    assert stage.manifest()["pairs_per_shard"] == 8


@pytest.mark.parametrize("damage", ["truncated", "shifted"])
def test_a_damaged_shard_of_an_unfinished_run_is_labelled_again_and_told(
    stage: Stage, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    pool = tiny_pool()
    label_pool(teacher(), pool, stage, settings=SMALL)
    whole = np.array(load_labels(stage))
    unfinish(stage)
    path = shard_path(stage, 1)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        pq.write_table(pq.read_table(shard_path(stage, 2)), path)
    with caplog.at_level(logging.WARNING, "aisle.training"):
        label_pool(teacher(), pool, stage, settings=SMALL)
    assert path.name in caplog.text
    assert "labelling pairs 8 to 16 again" in caplog.text
    np.testing.assert_array_equal(load_labels(stage), whole)


@pytest.mark.parametrize(
    "logits",
    [
        pa.array([np.nan] * 8, pa.float32()),
        pa.array([np.inf] * 8, pa.float32()),
        pa.array([None, *[0.5] * 7], pa.float32()),
        pa.array(["1"] * 8),
        pa.array([0.5] * 8, pa.float64()),
    ],
    ids=["nan", "infinite", "null", "text", "float64"],
)
def test_a_shard_of_what_are_no_logits_is_labelled_again(stage: Stage, logits: pa.Array) -> None:
    pool = tiny_pool()
    label_pool(teacher(), pool, stage, settings=SMALL)
    whole = np.array(load_labels(stage))
    unfinish(stage)
    pq.write_table(pa.table({"pair": np.arange(8, 16), "logit": logits}), shard_path(stage, 1))
    with pytest.raises(RunDirectoryError, match=r"logits-00001\.parquet is damaged .*run again to label"):
        read_shard(shard_path(stage, 1), Shard(1, 8, 16))
    label_pool(teacher(), pool, stage, settings=SMALL)
    np.testing.assert_array_equal(load_labels(stage), whole)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "missing"])
def test_damaged_labels_of_a_finished_run_are_an_error_until_they_are_put_together_again(
    stage: Stage, damage: str
) -> None:
    label_pool(teacher(), tiny_pool(), stage, settings=SMALL)
    whole = np.array(load_labels(stage))
    path = stage.directory / "logits.npy"
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()
    with pytest.raises(
        RunDirectoryError, match=r"logits\.npy.*delete .*manifest\.json.*evaluation and export are .*made anew"
    ):
        load_labels(stage)
    unfinish(stage)
    # What the message says to do needs no label again: a teacher without numbers would be noticed.
    label_pool(broken_teacher(), tiny_pool(), stage, settings=SMALL)
    np.testing.assert_array_equal(load_labels(stage), whole)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_damaged_manifest_costs_no_label(stage: Stage, content: str) -> None:
    label_pool(teacher(), tiny_pool(), stage, settings=SMALL)
    manifest = stage.directory / "manifest.json"
    manifest.write_text(content, encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"^{manifest} cannot be read \(.*\); delete {manifest} to redo it$"):
        load_labels(stage)
    unfinish(stage)
    label_pool(broken_teacher(), tiny_pool(), stage, settings=SMALL)
    assert len(load_labels(stage)) == len(tiny_pool())


def test_labels_that_may_not_be_read_need_not_be_put_together_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_pool(teacher(), tiny_pool(), stage, settings=SMALL)

    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(shards, "sha256_of", refuse)
    with pytest.raises(RunDirectoryError, match=r"logits\.npy cannot .*; let this user read and write there and run"):
        load_labels(stage)


@pytest.mark.parametrize(
    "plan", ['{"pairs_per_shard": 0}', '{"pairs_per_shard": -8}', '{"pairs_per_shard": null}', "[8]", "8", "{"]
)
def test_a_damaged_plan_is_an_error_that_names_it(stage: Stage, plan: str) -> None:
    (stage.directory / "plan.json").write_text(plan, encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"plan\.json .*delete {stage.directory} to label again"):
        label_pool(teacher(), tiny_pool(), stage, settings=SMALL)


@pytest.mark.parametrize("name", ["plan.json", "logits-00001.parquet", "logits.npy", "manifest.json"])
def test_a_full_disk_is_an_error_that_says_what_to_do_and_loses_nothing(stage: Stage, name: str) -> None:
    pool, path = tiny_pool(), stage.directory / name
    # The kernel's own ENOSPC, without a file system that would have to be mounted.
    path.with_name(f"{name}.partial").symlink_to("/dev/full")
    with pytest.raises(RunDirectoryError, match=rf"{name} cannot be written .*No space left.*run again"):
        label_pool(teacher(), pool, stage, settings=SMALL)
    assert not path.exists()
    assert not list(stage.directory.glob("*.partial"))
    finished = 8 * len(list(stage.directory.glob("*.parquet")))
    done: list[int] = []
    label_pool(teacher(), pool, stage, done.append, SMALL)
    assert done[0] == min(finished, len(pool))
    assert len(load_labels(stage)) == len(pool)


def test_a_teacher_that_gives_no_number_stops_the_labelling_and_the_pair_is_named(stage: Stage) -> None:
    pool = tiny_pool()
    with pytest.raises(DivergenceError, match=r"pool pair 0 is not finite \(query 'red shoe', product '"):
        label_pool(broken_teacher(), pool, stage, settings=SMALL)
    assert not stage.finished
