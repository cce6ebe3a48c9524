from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relevance.calibration import Calibration
from relevance.ranking_metrics import auc
from tests.training.tiny_models import DECODERS, decoder_backbone, encoder_backbone, tiny_dataset
from training.config import TEACHER_TEMPLATE, TeacherSettings
from training.errors import ConfigError, RunDirectoryError
from training.member_settings import DecoderMember
from training.optimise import precision
from training.optimise.batches import Batch, PairGroup, collate
from training.optimise.checkpoint import CheckpointStore
from training.optimise.scorers import forward
from training.optimise.trainer import TrainingHooks
from training.run_directory import Stage
from training.teacher import Member, TeacherTask, load_teacher, train_teacher
from training.teacher.decoders import fresh_decoder
from training.teacher.members import load_member, save_member, train_member

SCALE = Calibration(scale=8.0, bias=-3.0)
"""Of the cosine; these members have no pool pairs to be held to on it."""
LORA = {"rank": 4, "alpha": 16, "dropout": 0.1}


class Killed(Exception):
    """Stands for the process being killed between two steps."""


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decoder_backbone(tmp_path_factory.mktemp("llama"))


@pytest.fixture(autouse=True)
def _full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp32, so that equal means equal to rounding."""
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)


def member_settings(backbone: Path, **changes: Any) -> DecoderMember:
    return DecoderMember.model_validate(
        {"kind": "decoder", "backbone": str(backbone), "lora": LORA, "max_tokens": 64, **changes}
    )


def task(*members: DecoderMember, **changes: Any) -> TeacherTask:
    settings = {"warm_up_pairs": 0, "retention_share": 0.0, "learning_rate": 1e-2, "pairs_per_batch": 16, **changes}
    teacher = TeacherSettings.model_validate({"members": [m.model_dump() for m in members], **settings})
    return TeacherTask([tiny_dataset()], None, teacher, seed=0)


def batch_of(member: Member) -> Batch:
    dataset = tiny_dataset()
    judged = dataset.judgements[::7]
    pairs = member.rule.encode([j.query for j in judged], [dataset.products[j.product_id] for j in judged])
    return collate([PairGroup(pairs, np.zeros(len(pairs), np.float32))], member.rule.pad_id)


def padded(batch: Batch, left: int, right: int, pad_id: int) -> Batch:
    def widened(tensor: torch.Tensor, value: int) -> torch.Tensor:
        return torch.nn.functional.pad(tensor, (left, right), value=value)

    return replace(batch, input_ids=widened(batch.input_ids, pad_id), attention_mask=widened(batch.attention_mask, 0))


@torch.no_grad()
@pytest.mark.parametrize("kind", DECODERS)
def test_a_pair_scores_the_same_alone_and_padded_on_either_side(kind: str, tmp_path: Path) -> None:
    member = fresh_decoder(member_settings(decoder_backbone(tmp_path, kind), tune="all"), TEACHER_TEMPLATE, 1)
    member.model.train(False)
    batch = batch_of(member)
    together = forward(member.model, batch)
    assert together.shape == (len(batch),)
    assert together.std() > 1e-4
    for left, right in ((7, 0), (0, 9), (3, 4)):
        torch.testing.assert_close(forward(member.model, padded(batch, left, right, member.rule.pad_id)), together)
    for row in range(len(batch)):
        real = batch.attention_mask[row].bool()
        alone = replace(
            batch,
            input_ids=batch.input_ids[row : row + 1, real],
            attention_mask=batch.attention_mask[row : row + 1, real],
        )
        torch.testing.assert_close(forward(member.model, alone), together[row : row + 1])


def test_the_score_is_read_at_the_last_token_whichever_token_pads(backbone: Path) -> None:
    """The tokenizer has no pad token: its end token stands in for it, and may end a text as well."""
    member = fresh_decoder(member_settings(backbone), TEACHER_TEMPLATE, 1)
    member.model.train(False)
    end = member.rule.pad_id
    inner = member.model.model.get_base_model()  # type: ignore[union-attr]
    assert inner.config.pad_token_id == end == 2
    batch = batch_of(member)
    batch.input_ids[:, -1] = end
    batch.attention_mask[:] = 1
    with torch.no_grad():
        hidden = inner.model(input_ids=batch.input_ids).last_hidden_state
        torch.testing.assert_close(forward(member.model, batch), inner.score(hidden[:, -1]).squeeze(-1))


def test_adapters_and_head_are_trained_in_fp32_and_nothing_else(
    backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)
    member = fresh_decoder(member_settings(backbone), TEACHER_TEMPLATE, 1)
    for name, weights in member.model.named_parameters():
        kind = "lora" if "lora_" in name else "head" if "modules_to_save" in name else "frozen"
        assert weights.requires_grad is (kind != "frozen"), name
        if "original_module" not in name:
            assert weights.dtype == (torch.bfloat16 if kind == "frozen" else torch.float32), name
    adapted = {
        name.split(".lora_")[0].rsplit(".", 1)[1] for name, _ in member.model.named_parameters() if "lora_" in name
    }
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    logits = forward(member.model, batch_of(member)).detach()
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())


@contextmanager
def no_hooks(stage: Stage, title: str) -> Iterator[TrainingHooks]:
    yield TrainingHooks()


@pytest.mark.parametrize(
    ("classes", "changes"),
    [(1, {}), (3, {"gradient_checkpointing": True}), (1, {"tune": "all", "learning_rate": 3e-3})],
)
def test_it_learns_what_is_relevant_and_is_the_same_once_saved_and_loaded(
    backbone: Path, tmp_path: Path, classes: int, changes: dict[str, Any]
) -> None:
    losses: list[float] = []
    hooks = TrainingHooks(observers=[lambda step, steps, loss: losses.append(loss)])
    settings = member_settings(backbone, **changes)
    trained = train_member(task(settings, classes=classes, judged_epochs=25), 0, SCALE, hooks)
    assert np.mean(losses[-4:]) < 0.6 * np.mean(losses[:4])
    dataset = tiny_dataset()
    queries = [judgement.query for judgement in dataset.judgements]
    products = [dataset.products[judgement.product_id] for judgement in dataset.judgements]
    logits = trained.logits(queries, products)
    relevant = np.array([judgement.target for judgement in dataset.judgements]) >= 0.5
    assert auc(relevant, logits) > 0.9
    save_member(trained, settings, Stage(tmp_path), SCALE)
    loaded = load_member(Stage(tmp_path), TEACHER_TEMPLATE, classes)
    np.testing.assert_array_equal(loaded.logits(queries, products), logits)
    # Of a backbone that is only adapted no copy is kept.
    names = {path.name for path in tmp_path.iterdir()}
    assert ("model.safetensors" in names) is ("tune" in changes)


def test_a_killed_training_resumed_gives_the_weights_of_an_unbroken_one(backbone: Path, tmp_path: Path) -> None:
    """With dropout in the adapters, so that the generator's state has to be taken up too."""
    settings = task(member_settings(backbone), judged_epochs=2)
    unbroken = train_member(settings, 0, SCALE, TrainingHooks())

    def kill(step: int, steps: int, loss: float) -> None:
        if step == 4:
            raise Killed

    store, ticks = CheckpointStore(tmp_path / "checkpoint.pt"), count(step=61)
    with pytest.raises(Killed):
        train_member(settings, 0, SCALE, TrainingHooks(store, [kill], lambda: float(next(ticks))))
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    assert all("lora_" in name or "modules_to_save" in name for name in saved)
    seen: list[int] = []
    hooks = TrainingHooks(store, [lambda step, steps, loss: seen.append(step)])
    resumed = train_member(settings, 0, SCALE, hooks)
    assert seen == [4, 5, 6, 7, 8]
    for name, weights in unbroken.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


@pytest.mark.parametrize(
    ("name", "what"), [("config.json", "config.json differs"), ("model.safetensors", "weights differ")]
)
def test_adapters_of_another_backbone_are_refused(tmp_path: Path, name: str, what: str) -> None:
    backbone = decoder_backbone(tmp_path)
    stage = Stage(tmp_path)
    train_teacher(task(member_settings(backbone), judged_epochs=1), stage, no_hooks)
    content = (backbone / name).read_bytes().replace(b'"rms_norm_eps": 1e-06', b'"rms_norm_eps": 1e-05')
    # The last byte of the weights is that of a number.
    (backbone / name).write_bytes(content if name == "config.json" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunDirectoryError, match=rf"trained on another .*{what}"):
        load_teacher(stage)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"backbone": "/nowhere"}, "/nowhere"),
        ({"lora": {"target_modules": ["no_such_layer"]}}, "no_such_layer"),
    ],
)
def test_a_model_that_is_no_decoder_or_lacks_the_layers_is_refused(
    backbone: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fresh_decoder(member_settings(Path(changes.pop("backbone", backbone)), **changes), TEACHER_TEMPLATE, 1)


def test_an_encoder_given_as_a_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="kind = 'encoder'"):
        fresh_decoder(member_settings(encoder_backbone(tmp_path)), TEACHER_TEMPLATE, 1)
