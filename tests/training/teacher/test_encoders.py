from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertForSequenceClassification

from relevance.calibration import Calibration
from relevance.ranking_metrics import auc
from tests.training.tiny_models import ENCODERS, decoder_backbone, encoder_backbone, tiny_dataset
from training.config import TEACHER_TEMPLATE, TeacherSettings
from training.datasets.schema import Dataset
from training.errors import ConfigError, RunDirectoryError
from training.member_settings import EncoderMember
from training.models.bi_encoder import BiEncoder
from training.optimise import precision
from training.optimise.batches import PairGroup, collate
from training.optimise.scorers import forward
from training.optimise.trainer import TrainingHooks
from training.run_directory import MANIFEST, Stage, write_json
from training.teacher import TeacherTask, files, load_teacher, train_teacher
from training.teacher.encoders import fresh_encoder
from training.teacher.ensemble import fit_cosine_scale

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
"""Importing these two models scripts some of their functions."""

DATASET = tiny_dataset()
QUERIES = [judgement.query for judgement in DATASET.judgements]
PRODUCTS = [DATASET.products[judgement.product_id] for judgement in DATASET.judgements]
RELEVANT = np.array([judgement.target for judgement in DATASET.judgements]) >= 0.5


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)


@pytest.mark.parametrize("kind", ENCODERS)
def test_any_encoder_scores_a_pair_the_same_alone_and_in_a_batch(kind: str, tmp_path: Path) -> None:
    member = fresh_encoder(EncoderMember(backbone=str(encoder_backbone(tmp_path, kind))), TEACHER_TEMPLATE, 1)
    member.model.train(False)
    assert isinstance(member.model, BertForSequenceClassification) is (kind == "bert")
    together = member.logits(QUERIES[:9], PRODUCTS[:9])
    assert together.shape == (9,)
    alone = [member.logits([q], [p])[0] for q, p in zip(QUERIES[:9], PRODUCTS[:9], strict=True)]
    np.testing.assert_allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("kind", ["deberta", "modernbert"])
def test_the_head_stays_in_fp32_and_word_vectors_stay(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)
    member = fresh_encoder(EncoderMember(backbone=str(encoder_backbone(tmp_path, kind))), TEACHER_TEMPLATE, 1)
    pairs = member.rule.encode(QUERIES[:3], PRODUCTS[:3])
    logits = forward(member.model, collate([PairGroup(pairs, np.zeros(3, np.float32))], member.rule.pad_id)).detach()
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
    frozen = {name for name, weights in member.model.named_parameters() if not weights.requires_grad}
    assert frozen
    assert all("embeddings" in name for name in frozen)


def test_several_members_of_several_kinds_are_one_teacher_and_finished_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[Dataset] = []

    def fit(dataset: Dataset, encoder: BiEncoder) -> Calibration:
        fits.append(dataset)
        return fit_cosine_scale(dataset, encoder)

    monkeypatch.setattr(files, "fit_cosine_scale", fit)
    backbones = [str(encoder_backbone(tmp_path, kind)) for kind in ("modernbert", "bert")]
    members = [
        *({"kind": "encoder", "backbone": backbone} for backbone in backbones),
        {"kind": "decoder", "backbone": str(decoder_backbone(tmp_path)), "learning_rate": 1e-2, "max_tokens": 64},
    ]
    plan = {"warm_up_pairs": 0, "retention_share": 0.0, "judged_epochs": 20, "learning_rate": 3e-3, "classes": 3}
    settings = TeacherSettings.model_validate({"members": members, "pairs_per_batch": 16, **plan})
    task = TeacherTask([DATASET], None, settings, seed=0)
    titles: list[str] = []

    @contextmanager
    def killed_at_the_third(stage: Stage, title: str) -> Iterator[TrainingHooks]:
        titles.append(title)
        if len(titles) == 3:
            raise KeyboardInterrupt
        yield TrainingHooks()

    stage = Stage(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train_teacher(task, stage, killed_at_the_third)
    assert not stage.finished
    train_teacher(task, stage, killed_at_the_third)
    # The two that were finished are not trained again.
    assert titles == ["teacher 1/3", "teacher 2/3", "teacher 3/3", "teacher 3/3"]
    # One scale for all members, fitted once: the second start takes it from the first member.
    assert len(fits) == 1
    assert_changed_files_are_refused(stage)
    teacher = load_teacher(stage)
    assert teacher.cosine_scale == fit_cosine_scale(DATASET, teacher.bi_encoder)
    each = [member.logits(QUERIES, PRODUCTS) for member in teacher.members]
    assert all(auc(RELEVANT, logits) > 0.8 for logits in each)
    cosines = np.zeros(len(QUERIES), np.float32)
    expected = teacher.combine(np.mean(each, axis=0), cosines)
    np.testing.assert_allclose(teacher.score_pairs(QUERIES, PRODUCTS, cosines), expected, rtol=1e-4)


def assert_changed_files_are_refused(stage: Stage) -> None:
    """Of a teacher of a ModernBERT, a BERT and adapters: by their digests, and without those by what they hold."""
    for number, name in enumerate(("model.safetensors", "config.json", "adapter_model.safetensors")):
        path, manifest = (stage.directory / f"member-{number}" / file for file in (name, MANIFEST))
        kept, told = path.read_bytes(), json.loads(manifest.read_text(encoding="utf-8"))
        path.write_bytes(kept + b" ")
        with pytest.raises(RunDirectoryError, match=rf"{path} was changed .*; delete {stage.directory} to redo it"):
            load_teacher(stage)
        path.write_bytes(kept)
        if path.suffix == ".safetensors":
            tensors = load_file(path)
            save_file(dict(list(tensors.items())[1:]), path, {"format": "pt"})
            write_json(manifest, {**told, "sha256": {}})
            with pytest.raises(RunDirectoryError, match=rf"{path} cannot be read .*issing .*; delete "):
                load_teacher(stage)
            path.write_bytes(kept)
            write_json(manifest, told)


@pytest.mark.parametrize("lost", ["cosine_scale", "template", "classes", "member"])
def test_a_manifest_without_what_is_read_of_it_is_one_line(tmp_path: Path, lost: str) -> None:
    stage = Stage(tmp_path / "teacher")
    folder = stage.directory / "member-0"
    folder.mkdir(parents=True)
    template = TEACHER_TEMPLATE.model_dump()
    told = {"template": template, "cosine_scale": {}, "cross_encoder_weight": 0.5, "classes": 1, "members": 1}
    stage.finish({key: value for key, value in told.items() if key != lost})
    Stage(folder).finish({"cosine_scale": {}})
    with pytest.raises(RunDirectoryError, match=rf"\(it lacks '{lost}'\); delete {stage.directory} to redo it$"):
        load_teacher(stage)


def test_a_tokenizer_that_the_pair_rule_can_not_use_is_refused(tmp_path: Path) -> None:
    backbone = encoder_backbone(tmp_path, special=("<s>", "</s>", "<pad>"))
    with pytest.raises(ConfigError, match=r"no \[CLS\] token"):
        fresh_encoder(EncoderMember(backbone=str(backbone)), TEACHER_TEMPLATE, 1)


def test_a_decoder_given_as_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kind = 'decoder'|no \[CLS\] token"):
        fresh_encoder(EncoderMember(backbone=str(decoder_backbone(tmp_path))), TEACHER_TEMPLATE, 1)
