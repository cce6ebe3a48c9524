from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from relevance.bundle import sha256_of
from relevance.product import Product
from tests.training.tiny_models import encoder_backbone
from training.config import DistillSettings, StudentSettings
from training.datasets.schema import Dataset, Judgement
from training.models.backbone import WEIGHTS_SHA256
from training.provenance import LICENCE_OF_CATALOGUE, licences, loss_in_words, provenance, teacher_in_words
from training.run_directory import RunDirectory
from training.splits import split_by_query

DATA = Dataset(
    "d",
    {"p": Product(id="p", title="t")},
    [Judgement(query, "p", target) for query, target in (("hat", 0.0), ("cap", 1.0), ("belt", 0.5))],
)


def made_of(folder: Path, settings: DistillSettings, data: Dataset = DATA) -> dict[str, Any]:
    """What a run with a pool of one pair tells of itself."""
    directory = RunDirectory(folder / "run", {"settings": {}, "data": {"a.csv": "0"}})
    directory.stage("pool").finish({"pairs": 1})
    return provenance(directory, settings, split_by_query(data, 0.3, 3))


@pytest.mark.parametrize(
    ("held_out", "told"), [(None, "by query, seed 3"), (frozenset({"cap"}), "by the dataset's own split")]
)
def test_a_bundle_tells_whose_split_held_its_queries_out(
    tmp_path: Path, held_out: frozenset[str] | None, told: str
) -> None:
    made = made_of(tmp_path, DistillSettings(seed=3), replace(DATA, held_out_queries=held_out))
    assert made["split"] == told
    assert made["queries"] == {"train": 2, "held_out": 1}


def test_a_bundle_tells_the_loss_and_the_split_that_it_was_made_with(tmp_path: Path) -> None:
    student = StudentSettings(loss="pointwise_mse", human_weight=1)
    made = made_of(tmp_path, DistillSettings(seed=3, split_seed=9, fold=1, student=student))
    assert made["loss"] == "MSE on teacher logits + 1 · soft-target BCE on judgements"
    assert made["split"] == "by query, seed 9, fold 1"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "all-pairs MarginMSE + 0.3 · MSE on teacher logits"),
        ({"loss": "ranknet", "anchor": 0}, "all-pairs RankNet on teacher logits"),
        ({"loss": "listwise_kl", "temperature": 2}, "listwise KL at temperature 2 + 0.3 · MSE on teacher logits"),
        (
            {"loss": "pointwise_mse", "overlap_weight": 0.1, "match_weight": 2},
            "MSE on teacher logits + 0.1 · BCE on lexical overlap + 2 · BCE on attribute match",
        ),
        (
            {"initial_share": 0.25, "layers": range(6)},
            "all-pairs MarginMSE + 0.3 · MSE on teacher logits; averaged with 0.25 of the weights it started from",
        ),
    ],
)
def test_the_loss_in_words_has_every_term_that_counts(changes: dict[str, Any], told: str) -> None:
    assert loss_in_words(StudentSettings.model_validate(changes)) == told


def test_the_backbones_digest_is_that_of_the_model_that_the_student_goes_back_to(tmp_path: Path) -> None:
    bert = encoder_backbone(tmp_path)
    digest = sha256_of(bert / "model.safetensors")
    teacher, student = {"members": [{"kind": "encoder", "backbone": str(bert)}]}, {"backbone": str(bert)}
    from_teacher = {"kind": "split", "split": {"start": "teacher"}}
    for changes, expected in (
        ({}, WEIGHTS_SHA256),
        ({"teacher": teacher, "student": student}, digest),
        ({"student": {**student, "initialise_from": "backbone"}}, digest),
        ({"teacher": teacher, "student": {"initialise_from": "backbone"}}, WEIGHTS_SHA256),
        # A split student has a start of its own, and does not read `initialise_from`.
        ({"student": {**student, "kind": "split"}}, digest),
        ({"teacher": teacher, "student": {"kind": "split"}}, WEIGHTS_SHA256),
        ({"teacher": teacher, "student": {**student, **from_teacher, "initialise_from": "backbone"}}, digest),
        ({"student": {**student, **from_teacher}}, WEIGHTS_SHA256),
    ):
        made = made_of(tmp_path, DistillSettings.model_validate(changes))
        assert (made["backbone_sha256"], made["bi_encoder_sha256"]) == (expected, WEIGHTS_SHA256)
    # Weights in several files: no digest rather than another model's.
    (bert / "model.safetensors").rename(bert / "model-00001-of-00002.safetensors")
    assert (
        made_of(tmp_path, DistillSettings.model_validate({"student": {**student, "initialise_from": "backbone"}}))[
            "backbone_sha256"
        ]
        is None
    )


BERT_AND_MISTRAL = [{"kind": "encoder", "backbone": "bert"}, {"kind": "decoder", "backbone": "mistral"}]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "0.5 · cross-encoder fine-tuned on soft targets + 0.5 · zero-shot bi-encoder"),
        ({"cross_encoder_weight": 1}, "cross-encoder fine-tuned on soft targets"),
        ({"cross_encoder_weight": 0}, "zero-shot bi-encoder"),
        (
            {"cross_encoder_weight": 0.9, "classes": 4, "members": BERT_AND_MISTRAL},
            "0.9 · mean of bert (encoder), mistral (decoder), fine-tuned on 4-class soft targets"
            " + 0.1 · zero-shot bi-encoder",
        ),
    ],
)
def test_the_teacher_in_words_has_the_weight_of_each_side(changes: dict[str, Any], told: str) -> None:
    assert teacher_in_words(DistillSettings.model_validate({"teacher": changes})) == told


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("chorus:d", "querqy/chorus, Apache-2.0"),
        ("wands:d", "wayfair/WANDS, MIT"),
        ("esci:d?locale=es", "(Shopping Queries Dataset), Apache-2.0"),
    ],
)
def test_a_bundle_tells_the_licence_of_its_judgements(data: str, told: str) -> None:
    assert any(text.endswith(told) for text in licences(DistillSettings(data=data)))


def test_a_bundle_tells_of_the_embedded_catalogue_where_something_was_learnt_from_it() -> None:
    without = {
        "data": "wands:d",
        "pool": {"synthetic_products": 0, "synthetic_queries": 0},
        "teacher": {"synthetic_judged_queries": 0},
    }
    assert LICENCE_OF_CATALOGUE not in licences(DistillSettings.model_validate(without))
    for part in ({"data": "synthetic"}, {"pool": {"synthetic_queries": 0}}, {"teacher": {}}):
        assert LICENCE_OF_CATALOGUE in licences(DistillSettings.model_validate({**without, **part}))
