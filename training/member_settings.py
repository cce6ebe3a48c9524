"""Settings of a teacher's members: which model each one is, and what of it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SMALLEST_BUDGET = 64
"""Tokens that a decoder's field names, a query and a title need at the least."""

Name = Annotated[str, Field(min_length=1)]
"""A directory, or a name on the hub of models."""


class StrictSettings(BaseModel):
    """Settings that are numbers have one: neither true nor inf is taken for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            wrong = [name for name, value in given.items() if _holds_bool(value) and not cls._is_switch(name)]
            if wrong:
                raise ValueError(f"{', '.join(wrong)} can not be true or false")
        return given

    @classmethod
    def _is_switch(cls, name: str) -> bool:
        """Whether it is on or off, or no setting at all, which is refused as such."""
        return name not in cls.model_fields or cls.model_fields[name].annotation is bool


def _holds_bool(value: Any) -> bool:
    return any(isinstance(item, bool) for item in (value if isinstance(value, list | tuple) else [value]))


class _Member(StrictSettings):
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """None: the teacher's."""
    pairs_per_batch: Annotated[int, Field(ge=1)] | None = None
    """None: the teacher's."""


class EncoderMember(_Member):
    """A bidirectional encoder with `[CLS] query [SEP] product [SEP]`, all of it trained but its word vectors."""

    kind: Literal["encoder"] = "encoder"
    backbone: Name | None = None
    """None: the packaged MiniLM."""


class LoraSettings(StrictSettings):
    """Low-rank adapters (LoRA, arXiv 2106.09685): updates of `rank`, scaled by alpha / rank."""

    rank: Annotated[int, Field(ge=1)] = 16
    alpha: Annotated[int, Field(ge=1)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    target_modules: Literal["all-linear"] | tuple[Name, ...] = "all-linear"
    """Names of the linear layers to adapt, such as ["q_proj", "v_proj"]; "all-linear": all but the score head."""


class DecoderMember(_Member):
    """A causal language model that reads the pair as text; its score head sits on the last token."""

    kind: Literal["decoder"]
    backbone: Name
    tune: Literal["lora", "all"] = "lora"
    lora: LoraSettings = LoraSettings()
    gradient_checkpointing: bool = False
    """Computes activations again in the backward pass instead of keeping them: less memory, a third more time."""
    max_tokens: Annotated[int, Field(ge=SMALLEST_BUDGET)] = 256
    """Most tokens of a pair, all included (training/models/decoder_input.py)."""


def _kind_is_said(given: Any) -> Any:
    if isinstance(given, Mapping) and "kind" not in given:
        raise ValueError("kind is missing: it must be 'encoder' or 'decoder'")
    return given


MemberSettings = Annotated[EncoderMember | DecoderMember, Field(discriminator="kind"), BeforeValidator(_kind_is_said)]
