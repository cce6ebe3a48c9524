"""Building, training, saving and loading one member, whatever its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter

from relevance.calibration import Calibration
from relevance.template import Template
from training.config import TeacherSettings
from training.datasets.schema import Dataset
from training.errors import RunDirectoryError
from training.member_settings import DecoderMember, MemberSettings
from training.models.backbone import backbone_config, config_digest, load_pair_encoder, weights_digest
from training.optimise.trainer import Optimisation, TrainingHooks, train
from training.pool import Pool
from training.run_directory import Stage
from training.stage_files import check_digests, model_digests, writing
from training.teacher.decoders import decoder_rule, fresh_decoder, save_decoder, saved_decoder
from training.teacher.encoders import fresh_encoder, save_encoder, saved_encoder
from training.teacher.ensemble import Member
from training.teacher.lessons import (
    TeacherBatches,
    TeacherData,
    judged_groups,
    pool_pairs_wanted,
    retention_groups,
    teacher_loss,
)

CONFIG = "backbone_config_sha256"
WEIGHTS = "backbone_weights_sha256"

_MEMBER: TypeAdapter[MemberSettings] = TypeAdapter(MemberSettings)


@dataclass(frozen=True, slots=True)
class TeacherTask:
    """What a teacher is made from: judged datasets (the first one sets the cosine's scale), the pool, settings, seed.

    The pool may be missing where neither warm-up nor retention asks for it.
    """

    judged: Sequence[Dataset]
    pool: Pool | None
    settings: TeacherSettings
    seed: int


def check_members(settings: TeacherSettings) -> None:
    """Refuse a backbone that is not there, or whose tokenizer can not be used, before anything is computed."""
    for member in settings.members:
        backbone_config(member.backbone)
        if isinstance(member, DecoderMember):
            decoder_rule(member, settings.template, member.backbone)
        else:
            load_pair_encoder(settings.template, member.backbone)


def train_member(task: TeacherTask, number: int, scale: Calibration, hooks: TrainingHooks) -> Member:
    """Fine-tune the teacher's member of that number, held to the cosine on that scale."""
    # Members differ by their seed, so that several of one backbone do not agree in their errors too.
    seed = task.seed + number
    torch.manual_seed(seed)
    settings = for_member(task.settings, number)
    member = fresh_member(task.settings.members[number], settings.template, settings.classes)
    judged = [group for dataset in task.judged for group in judged_groups(dataset, member.rule)]
    wanted = pool_pairs_wanted(settings, len(judged))
    retention = retention_groups(task.pool, wanted, seed, scale, member.rule)
    batches = TeacherBatches(TeacherData(judged, retention), settings, member.rule.pad_id, seed)
    optimisation = Optimisation(settings.learning_rate, micro_batch_pairs=settings.micro_batch_pairs)
    train(member.model, batches, teacher_loss, optimisation, hooks)
    return member


def fresh_member(settings: MemberSettings, template: Template, classes: int) -> Member:
    """A pretrained model of any kind with a new head."""
    if isinstance(settings, DecoderMember):
        return fresh_decoder(settings, template, classes)
    return fresh_encoder(settings, template, classes)


def save_member(member: Member, settings: MemberSettings, stage: Stage, scale: Calibration) -> None:
    """Write the trained weights, then the manifest."""
    with writing(stage.directory):
        if isinstance(settings, DecoderMember):
            save_decoder(member, settings, stage.directory)
        else:
            save_encoder(member, settings, stage.directory)
    stage.finish(
        {
            "member": settings.model_dump(mode="json"),
            CONFIG: config_digest(settings.backbone),
            WEIGHTS: weights_digest(settings.backbone),
            "cosine_scale": scale.model_dump(),
            "sha256": model_digests(stage.directory),
        }
    )


def load_member(stage: Stage, template: Template, classes: int) -> Member:
    """Read a finished member; RunDirectoryError if a file of it is damaged, or its adapters' model another one now."""
    manifest = member_manifest(stage)
    settings = _MEMBER.validate_python(manifest["member"])
    check_digests(stage.directory, manifest, stage.directory.parent)
    if not isinstance(settings, DecoderMember):
        return saved_encoder(settings, template, stage.directory)
    if settings.tune == "lora":
        _check_base_model(stage, settings.backbone)
    return saved_decoder(settings, template, classes, stage.directory)


def member_manifest(stage: Stage) -> dict[str, Any]:
    """What a finished member wrote of itself; its teacher is redone as a whole."""
    return stage.manifest(needs=("member", "cosine_scale"), redo=stage.directory.parent)


def _check_base_model(stage: Stage, backbone: str) -> None:
    manifest = stage.manifest(needs=(CONFIG,), redo=stage.directory.parent)
    config, weights = manifest[CONFIG], manifest.get(WEIGHTS)
    # A manifest from before the weights were noted says nothing of them.
    for what, differs in (
        ("config.json differs", config_digest(backbone) != config),
        ("its weights differ", weights is not None and weights_digest(backbone) != weights),
    ):
        if differs:
            raise RunDirectoryError(
                f"{stage.directory}: its adapters were trained on another {backbone} ({what}); restore that model, or "
                f"delete {stage.directory.parent} to train again"
            )


def for_member(settings: TeacherSettings, number: int) -> TeacherSettings:
    """The teacher's settings with what the member of that number says otherwise."""
    member = settings.members[number]
    own = {"learning_rate": member.learning_rate, "pairs_per_batch": member.pairs_per_batch}
    return settings.model_copy(update={name: value for name, value in own.items() if value is not None})
