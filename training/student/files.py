"""A trained student on disk, whatever its kind."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal, cast

from transformers import BertForSequenceClassification

from relevance.bundle import TOKENIZER
from relevance.pair_encoding import PairEncoder
from training.config import StudentSettings
from training.errors import RunDirectoryError
from training.models.backbone import WEIGHTS_FILES, load_checkpoint, load_pair_encoder, tokenizer_file
from training.models.split.files import SHAPE, load_split, save_split
from training.models.split.student import SplitStudent
from training.optimise.scorers import CrossEncoder
from training.run_directory import Stage
from training.stage_files import check_digests, reading, share_weights, writing


def save_student(student: CrossEncoder, directory: Path, backbone: str | None = None) -> None:
    """Write its weights and shape, and the tokenizer of the backbone (None: the packaged one) that it learnt with."""
    with writing(directory):
        if isinstance(student, SplitStudent):
            save_split(student, directory)
        else:
            cast(BertForSequenceClassification, student).save_pretrained(directory)
        share_weights(directory)
        shutil.copyfile(tokenizer_file(backbone), directory / TOKENIZER)


def student_tokenizer(directory: Path, settings: StudentSettings) -> Path:
    """The tokenizer.json of the student there: its own, or of one saved before they were kept, its backbone's."""
    own = directory / TOKENIZER
    return own if own.is_file() else tokenizer_file(settings.backbone)


def student_rule(directory: Path, settings: StudentSettings) -> PairEncoder:
    """The pair rule with the student's own tokenizer, as `student_tokenizer` finds it."""
    if not (directory / TOKENIZER).is_file():
        return load_pair_encoder(settings.template, settings.backbone)
    with reading(directory / TOKENIZER, directory):
        return load_pair_encoder(settings.template, str(directory))


def load_student(directory: Path, settings: StudentSettings) -> CrossEncoder:
    """A student as `save_student` left it; RunDirectoryError if a file of it is missing, damaged or another one."""
    if (stage := Stage(directory)).finished:
        check_digests(directory, stage.manifest(), directory)
    return load_split(directory) if settings.kind == "split" else load_checkpoint(directory)


def kind_of(directory: Path) -> Literal["cross-encoder", "split"]:
    """The kind of the student that lies there; RunDirectoryError if none does."""
    if (directory / SHAPE).is_file():
        return "split"
    if not (directory / "config.json").is_file() or not any((directory / name).is_file() for name in WEIGHTS_FILES):
        raise RunDirectoryError(f"{directory} holds no student: neither {SHAPE} nor config.json and weights are there")
    return "cross-encoder"


def shape_of(settings: StudentSettings) -> dict[str, Any]:
    """What a finished stage says of the student it holds."""
    if settings.kind == "split":
        return {"kind": "split", "split": settings.split.model_dump()}
    return {"layers": settings.layers}
