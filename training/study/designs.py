"""What each study compares: its students, and how large a pool they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from relevance.template import FieldBudget
from training.config import BACKBONE_LAYERS, SPLIT_DEFAULTS, STUDENT_TEMPLATE, TEACHER_TEMPLATE, StudentSettings
from training.errors import ConfigError
from training.study.variants import Variant

Changes = dict[str, Any]
"""Settings of a student that differ from the run's, as of `Variant.changes`."""
StudyName = Literal["scaling", "losses", "depth", "inputs", "capacity", "auxiliary", "split", "split-details"]


def variants_of(
    study: StudyName, multiples: Sequence[int], multiple: int, student: StudentSettings | None = None
) -> list[Variant]:
    """The study's students. `multiples` sizes the pool; `multiple` is the part of it that equal data means.

    Split students differ from `student` in what their names say if that is one, else from the default one.
    """
    if study == "scaling":
        return [Variant(f"{size}x", size) for size in multiples]
    if multiple > max(multiples):
        raise ConfigError(f"--multiple is {multiple}, but the pool holds {max(multiples)} times the judged pairs")
    own = split_settings(student or StudentSettings())
    if study == "split":
        return split_variants(multiples, multiple, own)
    if study == "split-details":
        return split_detail_variants(multiple, own)
    designs = {
        "losses": loss_variants,
        "depth": depth_variants,
        "inputs": input_variants,
        "capacity": capacity_variants,
        "auxiliary": auxiliary_variants,
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


def capacity_variants(multiple: int) -> list[Variant]:
    """Half of the teacher's layers and more, each with the student's short text and with the teacher's.

    They lack less and less of what a teacher of six layers has: the last one nothing but its judgements.
    """
    layers = {3: [0, 2, 5], 4: [0, 1, 3, 5], 5: [0, 1, 3, 4, 5], 6: [0, 1, 2, 3, 4, 5]}
    texts = {"short-text": STUDENT_TEMPLATE, "long-text": TEACHER_TEMPLATE}
    return [
        Variant(f"{multiple}x-{count}-layers-{name}", multiple, {"layers": kept, "template": template.model_dump()})
        for name, template in texts.items()
        for count, kept in layers.items()
    ]


def auxiliary_variants(multiple: int) -> list[Variant]:
    """One student without auxiliary heads, one with each, and one with both."""
    weights = {"none": (0.0, 0.0), "overlap": (0.3, 0.0), "match": (0.0, 0.3), "overlap-match": (0.3, 0.3)}
    return [
        Variant(f"{multiple}x-{name}", multiple, {"overlap_weight": overlap, "match_weight": match})
        for name, (overlap, match) in weights.items()
    ]


def split_variants(multiples: Sequence[int], multiple: int, own: Changes) -> list[Variant]:
    """Split students beside cross-encoders of six, three and two layers, in every part of the pool; in the one of
    `multiple`, first, those of more joint layers too."""
    curve = {f"cross-{len(kept)}": cross_encoder_changes(kept) for kept in ((0, 1, 2, 3, 4, 5), (0, 2, 5), (0, 5))}
    curve = {"split-1": changed(own, joint_layers=1), **curve}
    more = {f"split-{joint}": changed(own, joint_layers=joint) for joint in (2, 3)}
    others = [size for size in multiples if size != multiple]
    return [
        *(Variant(f"{multiple}x-{name}", multiple, changes) for name, changes in {**curve, **more}.items()),
        *(Variant(f"{size}x-{name}", size, changes) for size in others for name, changes in curve.items()),
    ]


def split_detail_variants(multiple: int, own: Changes) -> list[Variant]:
    """Split students of one joint layer that lack one detail, or keep more or fewer bytes of a product.

    Those that do not score before they learn are not averaged with their start: to be read beside `not-averaged`.
    """
    one = changed(own, joint_layers=1)
    plain: Changes = {"initial_share": 0.0}
    details: dict[str, Changes] = {
        # The one that `split` trains, too: in the same run directory once.
        "": one,
        "narrow-joint-layer": changed(one, joint_units=384),
        "not-averaged": {**one, **plain},
        "no-late-interaction": {**changed(one, late_interaction=False), **plain},
        "no-fitted-head": {**changed(one, fitted_head=False), **plain},
        "no-match": changed(one, match_vector=False),
        "64-wide": changed(one, latent_width=64),
        "384-wide": changed(one, latent_width=384),
        "random-joint": changed(one, joint_start="random"),
        "from-teacher": changed(one, start="teacher"),
        "one-rate": changed(one, joint_rate=1.0),
        "short-text": {**one, "template": STUDENT_TEMPLATE.model_dump()},
        "with-description": {**one, "template": TEACHER_TEMPLATE.model_dump()},
    }
    differ = {name: change for name, change in details.items() if not name or change != one}
    return [Variant("-".join(filter(None, (f"{multiple}x-split-1", name))), multiple, differ[name]) for name in differ]


def split_settings(student: StudentSettings) -> Changes:
    """`student` if it is a split one, else the default one with what else `student` says."""
    if student.kind == "split":
        return student.model_dump()
    return {**student.model_dump(), **SPLIT_DEFAULTS, "template": TEACHER_TEMPLATE.model_dump(), "kind": "split"}


def changed(own: Changes, **split: Any) -> Changes:
    """The split student `own` with these other settings of `student.split`."""
    return {**own, "split": {**own["split"], **split}}


def cross_encoder_changes(kept: Sequence[int]) -> Changes:
    """A cross-encoder of the teacher's layers `kept`, which reads the text of the run's own student."""
    return {
        "kind": "cross-encoder",
        "initialise_from": "teacher",
        "layers": kept,
        "frozen_layers": min(2, len(kept) - 1),
        "learning_rate": StudentSettings().learning_rate,
        # One of fewer layers does not score before it learns: there is nothing to average with.
        **({} if len(kept) == BACKBONE_LAYERS else {"initial_share": 0.0}),
    }
