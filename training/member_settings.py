"""Settings of a teacher's members: which model each one is, and what of it is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SMALLEST_BUDGET = 64
"""Tokens that a decoder's field names, a query and a title need at the least."""

Name = Annotated[str, Field(min_length=1)]
"""A directory, or a name on the hub of models."""


class _Member(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    """None: the teacher's."""
    pairs_per_batch: Annotated[int, Field(ge=1)] | None = None
    """None: the teacher's."""


class EncoderMember(_Member):
    """A bidirectional encoder with `[CLS] query [SEP] product [SEP]`, all of it trained but its word vectors."""

    kind: Literal["encoder"] = "encoder"
    backbone: Name | None = None
    """None: the packaged MiniLM."""


class LoraSettings(BaseModel):
    """Low-rank adapters (LoRA, arXiv 2106.09685): updates of `rank`, scaled by alpha / rank."""

    model_config = ConfigDict(extra="forbid", frozen=True)

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


MemberSettings = Annotated[EncoderMember | DecoderMember, Field(discriminator="kind")]
