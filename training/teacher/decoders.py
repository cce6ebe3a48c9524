"""Decoder members: a causal language model (Llama, Mistral, Qwen …) with a score head, trained through LoRA.

The frozen weights are bf16 where the machine has it; adapters and head are fp32, for their small updates
would round to nothing. arXiv 2505.07105 names Llama2-7B and Mistral-7B as teachers.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from relevance.template import Template
from training.errors import ConfigError
from training.member_settings import DecoderMember
from training.models.backbone import backbone_config, placed, weights_file, whole
from training.models.decoder_input import DecoderInput
from training.optimise.precision import best_device, has_bf16
from training.optimise.scorers import DecoderScorer
from training.stage_files import reading, share_weights
from training.teacher.ensemble import Member


def fresh_decoder(settings: DecoderMember, template: Template, classes: int) -> Member:
    """A pretrained language model with a new score head of `classes` logits."""
    rule = decoder_rule(settings, template, settings.backbone)
    model, _ = _language_model(settings.backbone, settings, rule.pad_id, classes)
    if settings.tune == "lora":
        model = _adapted(model, settings)
    else:
        # Word vectors that no training pair holds must stay comparable with the others'.
        model.get_input_embeddings().requires_grad_(False)
    if settings.gradient_checkpointing:
        # Not re-entrant: the other way computes no gradients where the first input needs none, as here.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return Member(DecoderScorer(placed(model)), rule)


def saved_decoder(settings: DecoderMember, template: Template, classes: int, directory: Path) -> Member:
    """A trained language model: adapters and head on top of the backbone, or the whole model.

    RunDirectoryError if a file of it is missing or damaged.
    """
    teacher = directory.parent  # Finished as a whole, and redone as one.
    if settings.tune == "all":
        with reading(directory / "config.json", teacher):
            backbone_config(str(directory))
        with reading(directory / "tokenizer_config.json", teacher):
            rule = decoder_rule(settings, template, str(directory))
        with reading(weights_file(directory), teacher):
            model = whole(*_language_model(str(directory), settings, rule.pad_id, classes))
    else:
        rule = decoder_rule(settings, template, settings.backbone)
        base, _ = _language_model(settings.backbone, settings, rule.pad_id, classes)
        with reading(directory / "adapter_config.json", teacher):
            PeftConfig.from_pretrained(str(directory))
        with reading(directory / "adapter_model.safetensors", teacher), warnings.catch_warnings():
            # Else those adapters stay as they begin, which is to do nothing.
            warnings.filterwarnings("error", "Found missing adapter keys")
            model = PeftModel.from_pretrained(base, directory)
    return Member(DecoderScorer(placed(model)), rule)


def save_decoder(member: Member, settings: DecoderMember, directory: Path) -> None:
    """Write what `saved_decoder` reads: with LoRA the adapters and the head only."""
    model: Any = member.model.model
    if settings.tune == "lora":
        # Never "auto", which asks the hub whether the vocabulary has grown.
        model.save_pretrained(directory, save_embedding_layers=False)
    else:
        model.save_pretrained(directory)
        tokenizer = AutoTokenizer.from_pretrained(settings.backbone)  # type: ignore[no-untyped-call]
        tokenizer.save_pretrained(directory)
    share_weights(directory)


def decoder_rule(settings: DecoderMember, template: Template, source: str) -> DecoderInput:
    """The text rule with a backbone's tokenizer; its pad token, or one that stands in for it."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigError(f"backbone {source}: its tokenizer cannot be loaded ({error})") from error
    if not tokenizer.is_fast:
        raise ConfigError(f"backbone {source}: no tokenizer.json; save it with a fast tokenizer")
    # Which token pads is of no matter, for it is masked; only it has to be one of the vocabulary.
    candidates = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id)
    pad_id = next((token for token in candidates if token is not None), None)
    if pad_id is None:
        raise ConfigError(f"backbone {source}: its tokenizer has neither a pad nor an end nor an unknown token")
    return DecoderInput(tokenizer.backend_tokenizer, template, settings.max_tokens, pad_id)


def _language_model(source: str, settings: DecoderMember, pad_id: int, classes: int) -> tuple[Any, dict[str, Any]]:
    """The model, and how its weights were loaded."""
    backbone_config(source)
    # Weights that are trained themselves stay fp32: bf16 has too few digits to add small updates to.
    low = settings.tune == "lora" and has_bf16(best_device())
    try:
        dtype = torch.bfloat16 if low else torch.float32
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=classes, dtype=dtype, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ConfigError(f"backbone {source}: no language model with a score head ({error})") from error
    if not hasattr(model, "score"):
        raise ConfigError(f"backbone {source} is no decoder; give that member of the teacher kind = 'encoder'")
    model.config.pad_token_id = pad_id
    model.score.float()
    return model, loading


def _adapted(model: Any, settings: DecoderMember) -> Any:
    lora = settings.lora
    targets = lora.target_modules if isinstance(lora.target_modules, str) else list(lora.target_modules)
    config = LoraConfig(
        # This task has peft train and save the score head in full.
        task_type=TaskType.SEQ_CLS,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise ConfigError(f"teacher.members: lora.target_modules is {targets}: {error}") from error
