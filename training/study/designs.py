"""What each study compares: its students, and how large a pool they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from relevance.template import FieldBudget
from training.config import SPLIT_DEFAULTS, STUDENT_TEMPLATE
from training.errors import ConfigError
from training.study.variants import Variant

StudyName = Literal["scaling", "losses", "depth", "inputs", "split", "split-details"]


def variants_of(study: StudyName, multiples: Sequence[int], multiple: int) -> list[Variant]:
    """The study's students. `multiples` sizes the pool; `multiple` is the part of it that equal data means."""
    if study == "scaling":
        return [Variant(f"{size}x", size) for size in multiples]
    if multiple > max(multiples):
        raise ConfigError(f"--multiple is {multiple}, but the pool holds {max(multiples)} times the judged pairs")
    if study == "split":
        return split_variants(multiple, max(multiples))
    designs = {
        "losses": loss_variants,
        "depth": depth_variants,
        "inputs": input_variants,
        "split-details": split_detail_variants,
    }
    return designs[study](multiple)


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


def split_variants(multiple: int, largest: int) -> list[Variant]:
    """Split students of one to three joint layers beside cross-encoders; of one joint layer at the largest, too."""
    cross = {6: [0, 1, 2, 3, 4, 5], 3: [0, 2, 5], 2: [0, 5]}
    crosses = {
        count: Variant(f"{multiple}x-cross-{count}", multiple, {"layers": kept, "frozen_layers": min(2, count - 1)})
        for count, kept in cross.items()
    }
    splits = {
        joint: Variant(f"{multiple}x-split-{joint}", multiple, split_changes(joint_layers=joint)) for joint in (1, 2, 3)
    }
    at_largest = [Variant(f"{largest}x-split-1", largest, split_changes())] if largest > multiple else []
    return [splits[1], crosses[6], splits[2], crosses[3], *at_largest, splits[3], crosses[2]]


def split_detail_variants(multiple: int) -> list[Variant]:
    """Split students of one joint layer that lack one detail, or keep more or fewer bytes of a product."""
    short = {**split_changes(), "template": STUDENT_TEMPLATE.model_dump()}
    details: dict[str, dict[str, Any]] = {
        "split-1-titles": short,
        "split-1-no-late-interaction": split_changes(late_interaction=False),
        "split-1-no-fitted-head": split_changes(fitted_head=False),
        "split-1-no-match": split_changes(match_vector=False),
        "split-1-random-joint": split_changes(joint_start="random"),
        "split-1-from-teacher": split_changes(start="teacher"),
        "split-1-one-rate": split_changes(joint_rate=1.0),
        "split-1-64-wide": split_changes(latent_width=64),
        "split-1-384-wide": split_changes(latent_width=384),
    }
    return [Variant(f"{multiple}x-{name}", multiple, change) for name, change in details.items()]


def split_changes(**split: Any) -> dict[str, Any]:
    """A split student that differs from the default one in this."""
    template = SPLIT_DEFAULTS["template"].model_dump()
    return {**SPLIT_DEFAULTS, "kind": "split", "template": template, "split": split}
