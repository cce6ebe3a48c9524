"""What a bundle's manifest tells of its making: settings, data, licences, losses. From the run, never by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from training.config import DistillSettings, StudentSettings
from training.models.backbone import WEIGHTS_SHA256, config_digest, tokenizer_file_digest, weights_digest
from training.run_directory import RunDirectory
from training.splits import Split

LICENCE_OF_BACKBONE = "Initial weights: sentence-transformers/all-MiniLM-L6-v2, Apache-2.0"
LICENCE_OF_CATALOGUE = "Synthetic catalogue: part of Aisle"
LICENCES_OF_DATA = {
    "chorus": (
        "Judgements: querqy/chorus, Apache-2.0",
        "Product text: Icecat, Open Content Licence (attribution: Icecat)",
    ),
    "wands": ("Judgements and product text: wayfair/WANDS, MIT",),
    "esci": ("Judgements and product text: amazon-science/esci-data (Shopping Queries Dataset), Apache-2.0",),
}
"""By reader; the licences of data that Aisle does not know are for its owner to add."""

DIGESTS: dict[str, Callable[[str | None], str | None]] = {
    "": weights_digest,
    "_config": config_digest,
    "_tokenizer": tokenizer_file_digest,
}
"""What decides how a backbone computes and reads, by the ending of its name in the fingerprint."""


def licences(settings: DistillSettings) -> tuple[str, ...]:
    """Licences of everything that the weights were learnt from."""
    reader = settings.data.partition(":")[0]
    logs = tuple(f"Query log: {path.name}" for path in settings.query_logs)
    public = settings.public()
    # The packaged bi-encoder is part of every teacher; what else weights came from is licensed by its owners.
    named = (*(member["backbone"] for member in public["teacher"]["members"]), public["student"]["backbone"])
    others = tuple(f"Initial weights: {name}, under its owner's licence" for name in dict.fromkeys(named) if name)
    catalogue = (LICENCE_OF_CATALOGUE,) if _learns_from_catalogue(settings) else ()
    data = LICENCES_OF_DATA.get(reader, ())
    return (LICENCE_OF_BACKBONE, *others, *catalogue, *data, *logs, *settings.licences)


def _learns_from_catalogue(settings: DistillSettings) -> bool:
    pool, teacher = settings.pool, settings.teacher
    beside = pool.synthetic_products or pool.synthetic_queries or teacher.synthetic_judged_queries
    return settings.data == "synthetic" or bool(beside)


def provenance(directory: RunDirectory, settings: DistillSettings, split: Split) -> dict[str, Any]:
    """How the bundle was made: settings, data hashes, sizes, the split."""
    return {
        # The packaged bi-encoder is part of every teacher, whatever the student is made of.
        "bi_encoder_sha256": WEIGHTS_SHA256,
        "backbone_sha256": weights_digest(backbone_of_student(settings)),
        "settings": settings.public(),
        "data_sha256": directory.fingerprint["data"],
        "judged_pairs": {"train": len(split.train.judgements), "held_out": len(split.held_out.judgements)},
        "queries": {"train": len(split.train.by_query()), "held_out": len(split.held_out.by_query())},
        "split": split_in_words(settings, split),
        "pool": directory.stage("pool").manifest(),
        "teacher": teacher_in_words(settings),
        "loss": loss_in_words(settings.student),
    }


def teacher_in_words(settings: DistillSettings) -> str:
    """Which models the teacher is, what they learnt by, and their weight beside the zero-shot bi-encoder's."""
    weight = settings.teacher.cross_encoder_weight
    parts = {_members_in_words(settings): weight, "zero-shot bi-encoder": 1.0 - weight}
    if weight in (0.0, 1.0):
        return next(name for name, share in parts.items() if share)
    return " + ".join(f"{share:g} · {name}" for name, share in parts.items())


def _members_in_words(settings: DistillSettings) -> str:
    members = settings.public()["teacher"]["members"]
    if [member["backbone"] for member in members] == [None] and settings.teacher.classes == 1:
        return "cross-encoder fine-tuned on soft targets"
    names = ", ".join(f"{member['backbone'] or 'all-MiniLM-L6-v2'} ({member['kind']})" for member in members)
    targets = f"{settings.teacher.classes}-class soft targets" if settings.teacher.classes > 1 else "soft targets"
    return f"mean of {names}, fine-tuned on {targets}"


def split_in_words(settings: DistillSettings, split: Split) -> str:
    """Who held the queries out, and by what the same ones can be held out again."""
    if split.official:
        return "by the dataset's own split"
    seed = settings.seed if settings.split_seed is None else settings.split_seed
    return f"by query, seed {seed}" + (f", fold {settings.fold}" if settings.fold else "")


def loss_in_words(student: StudentSettings) -> str:
    """The student's loss with its weights, as `training/student/distillation.py` adds it up."""
    terms = {
        "margin_mse": "all-pairs MarginMSE",
        "pointwise_mse": "MSE",
        "ranknet": "all-pairs RankNet",
        "listwise_kl": f"listwise KL at temperature {student.temperature:g}",
    }
    words = terms[student.loss]
    if student.anchor and student.loss != "pointwise_mse":
        words += f" + {student.anchor:g} · MSE"
    words += " on teacher logits"
    if student.human_weight:
        words += f" + {student.human_weight:g} · soft-target BCE on judgements"
    for task, weight in (("lexical overlap", student.overlap_weight), ("attribute match", student.match_weight)):
        if weight:
            words += f" + {weight:g} · BCE on {task}"
    if student.initial_share:
        words += f"; averaged with {student.initial_share:g} of the weights it started from"
    if student.kind == "split" and student.split.units_left:
        words += f"; joint layers pruned to {student.split.units_left} feed-forward units"
    return words


def backbone_digests(settings: DistillSettings) -> dict[str, Any]:
    """Digests of the pretrained models that a run begins with: folders of one name may hold others."""
    named = [member.backbone for member in settings.teacher.members]
    found: dict[str, Any] = {}
    for ending, digest in DIGESTS.items():
        digests = {name: digest(name) for name in {*named, settings.student.backbone}}
        found[f"teacher{ending}"] = [digests[name] for name in named]
        found[f"student{ending}"] = digests[settings.student.backbone]
    return found


def backbone_of_student(settings: DistillSettings) -> str | None:
    """The pretrained model that the student's layers go back to; None: the packaged MiniLM."""
    student = settings.student
    start = student.split.start if student.kind == "split" else student.initialise_from
    return settings.teacher.members[0].backbone if start == "teacher" else student.backbone
