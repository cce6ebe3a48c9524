"""A teacher in a run directory: one folder a member, each with its manifest, and the teacher's written last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from relevance.calibration import Calibration
from training.config import TeacherSettings
from training.models.backbone import load_checkpoint, load_pair_encoder
from training.models.bi_encoder import REMEMBERED, BiEncoder
from training.models.pair_rule import EncoderInput
from training.optimise.distributed import is_main, main_first
from training.optimise.trainer import TrainingHooks
from training.run_directory import Stage
from training.teacher.ensemble import Member, Teacher, fit_cosine_scale
from training.teacher.members import TeacherTask, load_member, member_manifest, save_member, train_member

HooksOf = Callable[[Stage, str], AbstractContextManager[TrainingHooks]]
"""Told a member's folder and title; gives the hooks to train it with."""


def train_teacher(task: TeacherTask, stage: Stage, hooks_of: HooksOf) -> None:
    """Train and save every member that is not finished yet, then the teacher's manifest.

    A killed run goes on with the member that it was at.
    """
    members = task.settings.members
    folders = [member_stage(stage, number) for number in range(len(members))]
    scale = _cosine_scale(task, folders)
    for number, (settings, folder) in enumerate(zip(members, folders, strict=True)):
        if folder.finished:
            continue
        title = "teacher" if len(members) == 1 else f"teacher {number + 1}/{len(members)}"
        with hooks_of(folder, title) as hooks:
            member = train_member(task, number, scale, hooks)
            with main_first():
                if is_main():
                    save_member(member, settings, folder, scale)
    with main_first():
        if is_main():
            save_teacher(task.settings, stage)


def _cosine_scale(task: TeacherTask, folders: Sequence[Stage]) -> Calibration:
    """The one scale that all members are held to: that of a finished one, else fitted to the judged pairs."""
    for folder in folders:
        if folder.finished:
            return Calibration.model_validate(member_manifest(folder)["cosine_scale"])
    return fit_cosine_scale(task.judged[0], BiEncoder())


def save_teacher(settings: TeacherSettings, stage: Stage) -> None:
    """Write the ensemble's numbers, once all of its members lie in their folders."""
    stage.finish(
        {
            "cosine_scale": member_manifest(member_stage(stage, 0))["cosine_scale"],
            "cross_encoder_weight": settings.cross_encoder_weight,
            "template": settings.template.model_dump(),
            "classes": settings.classes,
            "members": len(settings.members),
        }
    )


def load_teacher(stage: Stage) -> Teacher:
    """Read a finished teacher."""
    manifest = stage.manifest(needs=("template", "cosine_scale", "cross_encoder_weight"))
    template = TeacherSettings.model_validate({"template": manifest["template"]}).template
    if "members" in manifest:
        classes = stage.manifest(needs=("classes",))["classes"]
        folders = [member_stage(stage, number) for number in range(manifest["members"])]
        members = [load_member(folder, template, classes) for folder in folders]
    else:
        # A teacher from before there were several: one packaged MiniLM in the stage's own folder.
        members = [Member(load_checkpoint(stage.directory), EncoderInput(load_pair_encoder(template)))]
    scale = Calibration.model_validate(manifest["cosine_scale"])
    return Teacher(members, BiEncoder(remembered=REMEMBERED), scale, manifest["cross_encoder_weight"])


def member_stage(stage: Stage, number: int) -> Stage:
    """The folder of one member, made if need be."""
    directory = stage.directory / f"member-{number}"
    directory.mkdir(exist_ok=True)
    return Stage(directory)
