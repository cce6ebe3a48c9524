"""A split student on disk: the encoder's configuration, the split settings, and all weights."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel
from transformers.models.bert.modeling_bert import BertLayer

from training.config import SplitSettings
from training.models.backbone import placed
from training.models.split.student import SplitStudent
from training.stage_files import reading

SHAPE = "split.json"
WEIGHTS = "model.safetensors"


def save_split(student: SplitStudent, directory: Path) -> None:
    """Write `split.json` and `model.safetensors`."""
    shape = {"encoder": student.model.config.to_dict(), "split": student.settings.model_dump()}
    (directory / SHAPE).write_text(json.dumps(shape, indent=2) + "\n", encoding="utf-8")
    save_file({name: weights.contiguous() for name, weights in student.state_dict().items()}, directory / WEIGHTS)


def load_split(directory: Path) -> SplitStudent:
    """A student as `save_split` left it; RunDirectoryError if a file of it is missing or damaged."""
    with reading(directory / SHAPE, directory):
        shape = json.loads((directory / SHAPE).read_text(encoding="utf-8"))
        config = BertConfig.from_dict(shape["encoder"])
        encoder = BertModel(config, add_pooling_layer=False)  # type: ignore[no-untyped-call]
        settings = SplitSettings.model_validate(shape["split"])
        # Layers of its own: the encoder may have been left fewer than there are joint ones.
        joint = [BertLayer(config) for _ in range(settings.joint_layers)]  # type: ignore[no-untyped-call]
        student = SplitStudent(encoder, settings, joint)
    with reading(directory / WEIGHTS, directory):
        student.load_state_dict(load_file(directory / WEIGHTS))
    student.train(False)
    return placed(student)
