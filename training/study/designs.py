"""What each study compares: its students, and how large a pool they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from relevance.template import FieldBudget
from training.config import STUDENT_TEMPLATE
from training.errors import ConfigError
from training.study.variants import Variant

StudyName = Literal["scaling", "losses", "depth", "inputs"]


def variants_of(study: StudyName, multiples: Sequence[int], multiple: int) -> list[Variant]:
    """The study's students. `multiples` sizes the pool; `multiple` is the part of it that equal data means."""
    if study == "scaling":
        return [Variant(f"{size}x", size) for size in multiples]
    if multiple > max(multiples):
        raise ConfigError(f"--multiple is {multiple}, but the pool holds {max(multiples)} times the judged pairs")
    return {"losses": loss_variants, "depth": depth_variants, "inputs": input_variants}[study](multiple)


def loss_variants(multiple: int) -> list[Variant]:
    """One student for each loss."""
    anchored: dict[str, Any] = {"anchor": 0.3, "human_weight": 0.0}
    changes: dict[str, dict[str, Any]] = {
        "margin-mse-anchored": {"loss": "margin_mse", **anchored},
        "margin-mse": {"loss": "margin_mse", **anchored, "anchor": 0.0},
        "pointwise-mse": {"loss": "pointwise_mse", **anchored},
        "ranknet-anchored": {"loss": "ranknet", **anchored},
        "listwise-kl-anchored": {"loss": "listwise_kl", **anchored},
        "margin-mse-anchored-human": {"loss": "margin_mse", **anchored, "human_weight": 1.0},
    }
    return [Variant(f"{multiple}x-{name}", multiple, change) for name, change in changes.items()]


def depth_variants(multiple: int) -> list[Variant]:
    """One student for each number of layers, taken from a teacher of six."""
    layers = {1: [5], 3: [0, 2, 5], 6: [0, 1, 2, 3, 4, 5]}
    return [Variant(f"{multiple}x-{count}-layers", multiple, {"layers": kept}) for count, kept in layers.items()]


def input_variants(multiple: int) -> list[Variant]:
    """One student for each length of description that it reads beside its short fields."""
    templates = {
        tokens: STUDENT_TEMPLATE.model_copy(
            update={"fields": (*STUDENT_TEMPLATE.fields, FieldBudget(field="description", max_tokens=tokens))}
        )
        for tokens in (12, 24)
    }
    short = Variant(f"{multiple}x-no-description", multiple, {"template": STUDENT_TEMPLATE.model_dump()})
    return [short] + [
        Variant(f"{multiple}x-{tokens}-tokens-of-description", multiple, {"template": template.model_dump()})
        for tokens, template in templates.items()
    ]
