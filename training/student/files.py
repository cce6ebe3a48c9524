"""A trained student on disk, whatever its kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from transformers import BertForSequenceClassification

from training.config import StudentSettings
from training.models.backbone import load_checkpoint
from training.models.split.files import load_split, save_split
from training.models.split.student import SplitStudent
from training.optimise.scorers import CrossEncoder


def save_student(student: CrossEncoder, directory: Path) -> None:
    """Write its weights and shape."""
    if isinstance(student, SplitStudent):
        save_split(student, directory)
    else:
        cast(BertForSequenceClassification, student).save_pretrained(directory)


def load_student(directory: Path, settings: StudentSettings) -> CrossEncoder:
    """A student as `save_student` left it."""
    return load_split(directory) if settings.kind == "split" else load_checkpoint(directory)


def shape_of(settings: StudentSettings) -> dict[str, Any]:
    """What a finished stage says of the student it holds."""
    if settings.kind == "split":
        return {"kind": "split", "split": settings.split.model_dump()}
    return {"layers": settings.layers}
