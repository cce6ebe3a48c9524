"""Encoder members: the packaged MiniLM, any BERT, and other encoders with a [CLS] and a [SEP] token."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification

from relevance.template import Template
from training.errors import ConfigError
from training.member_settings import EncoderMember
from training.models.backbone import (
    backbone_config,
    load_checkpoint,
    load_cross_encoder,
    load_pair_encoder,
    placed,
    tokenizer_file,
    weights_file,
    whole,
)
from training.models.pair_rule import EncoderInput
from training.optimise.scorers import CrossEncoder, EncoderScorer
from training.stage_files import reading, share_weights
from training.teacher.ensemble import Member


def fresh_encoder(settings: EncoderMember, template: Template, classes: int) -> Member:
    """A pretrained encoder with a new head; word vectors are frozen.

    The vectors of words that no training pair holds must stay comparable with the others'.
    """
    rule = EncoderInput(load_pair_encoder(template, settings.backbone))
    if is_bert(settings.backbone):
        model: CrossEncoder = load_cross_encoder(settings.backbone, classes)
    else:
        model = _any_encoder(str(settings.backbone), classes)
    # All of them, positions and their layer norm too, where the model keeps them in one module.
    backbone = model.bert if isinstance(model, BertForSequenceClassification) else model.model.base_model
    getattr(backbone, "embeddings", backbone.get_input_embeddings()).requires_grad_(False)
    return Member(model, rule)


def saved_encoder(settings: EncoderMember, template: Template, directory: Path) -> Member:
    """A trained encoder as `save_pretrained` left it, with its tokenizer beside it unless that is the packaged one.

    RunDirectoryError if a file of it is missing or damaged.
    """
    teacher = directory.parent  # Finished as a whole, and redone as one.
    with reading(directory / "config.json", teacher):
        bert = is_bert(str(directory))
    if settings.backbone is None:
        tokenizer = load_pair_encoder(template)
    else:
        with reading(directory / "tokenizer.json", teacher):
            tokenizer = load_pair_encoder(template, str(directory))
    if bert:
        return Member(load_checkpoint(directory, teacher), EncoderInput(tokenizer))
    with reading(weights_file(directory), teacher):
        return Member(_any_encoder(str(directory)), EncoderInput(tokenizer))


def save_encoder(member: Member, settings: EncoderMember, directory: Path) -> None:
    """Write what `saved_encoder` reads."""
    model: Any = member.model.model if isinstance(member.model, EncoderScorer) else member.model
    model.save_pretrained(directory)
    share_weights(directory)
    if settings.backbone is not None:
        shutil.copyfile(tokenizer_file(settings.backbone), directory / "tokenizer.json")


def is_bert(backbone: str | None) -> bool:
    """Whether a backbone (None: the packaged one) is of the kind that students are made of."""
    model_type: str = backbone_config(backbone).model_type
    return model_type == "bert"


def _any_encoder(source: str, classes: int | None = None) -> EncoderScorer:
    """A pretrained encoder with a new head of `classes` logits; without them, a finished one as it was saved."""
    head = {} if classes is None else {"num_labels": classes}
    try:
        loaded = AutoModelForSequenceClassification.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True, **head
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"backbone {source}: no encoder with a classification head ({error})") from error
    model = loaded[0] if classes else whole(*loaded)
    if hasattr(model, "score"):
        raise ConfigError(f"backbone {source} is a decoder; give that member of the teacher kind = 'decoder'")
    return EncoderScorer(placed(model))
