"""A trained student on disk, whatever its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast

from transformers import BertForSequenceClassification

from training.config import StudentSettings
from training.errors import RunDirectoryError
from training.models.backbone import WEIGHTS_FILES, load_checkpoint
from training.models.split.files import SHAPE, load_split, save_split
from training.models.split.student import SplitStudent
from training.optimise.scorers import CrossEncoder
from training.stage_files import share_weights


def save_student(student: CrossEncoder, directory: Path) -> None:
    """Write its weights and shape."""
    if isinstance(student, SplitStudent):
        save_split(student, directory)
    else:
        cast(BertForSequenceClassification, student).save_pretrained(directory)
    share_weights(directory)


def load_student(directory: Path, settings: StudentSettings) -> CrossEncoder:
    """A student as `save_student` left it; RunDirectoryError if a file of it is missing or damaged."""
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
