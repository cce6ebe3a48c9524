from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertForSequenceClassification

from relevance.calibration import Calibration
from tests.training.tiny import random_batches, tiny_cross_encoder
from tests.training.tiny_models import decoder_backbone, encoder_backbone
from training.config import TEACHER_TEMPLATE
from training.config_file import load_settings
from training.errors import ConfigError
from training.models.backbone import load_cross_encoder, load_pair_encoder
from training.models.pair_rule import EncoderInput
from training.optimise.losses import relevance_logit
from training.optimise.scorers import forward
from training.student import check_start, initial_student
from training.teacher import Member, Teacher


def teacher(model: BertForSequenceClassification) -> Teacher:
    rule = EncoderInput(load_pair_encoder(TEACHER_TEMPLATE))
    return Teacher([Member(model, rule)], None, Calibration(scale=8, bias=-3), 0.5)  # type: ignore[arg-type]


def check(teacher_backbone: Path | None, student: dict[str, Any]) -> None:
    members = [{"kind": "encoder", "backbone": str(teacher_backbone)} if teacher_backbone else {"kind": "encoder"}]
    check_start(load_settings(None, {"teacher": {"members": members}, "student": student}))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encoder_backbone(tmp_path_factory.mktemp("bert"))


def test_by_default_the_layers_are_the_teachers() -> None:
    settings = load_settings(None, {"student": {"layers": [0, 3]}})
    model = tiny_cross_encoder(layers=4)
    student = initial_student(teacher(model), settings)
    kept = student.bert.encoder.layer[1].state_dict()
    assert all(torch.equal(w, kept[name]) for name, w in model.bert.encoder.layer[3].state_dict().items())


def test_from_its_backbone_it_starts_with_those_layers_and_a_seeded_head(bert: Path) -> None:
    settings = load_settings(
        None, {"student": {"initialise_from": "backbone", "backbone": str(bert), "layers": [1]}, "seed": 3}
    )
    first, second = (initial_student(teacher(tiny_cross_encoder()), settings) for _ in "ab")
    wanted = load_cross_encoder(str(bert)).bert.encoder.layer[1].state_dict()
    for name, weights in first.bert.encoder.layer[0].state_dict().items():
        assert torch.equal(weights, wanted[name])
    assert torch.equal(first.classifier.weight, second.classifier.weight)
    assert first.classifier.out_features == 1


def test_a_teacher_of_two_classes_hands_on_its_relevance_logit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = tiny_cross_encoder()
    model.classifier = torch.nn.Linear(16, 2)
    settings = load_settings(None, {"teacher": {"classes": 2}, "student": {"layers": [0, 1]}})
    student = initial_student(teacher(model), settings)
    student.train(False)
    batch = random_batches(1)[0]
    with torch.no_grad():
        torch.testing.assert_close(forward(student, batch), relevance_logit(forward(model, batch)), atol=1e-2, rtol=0)
    student.save_pretrained(tmp_path)
    assert BertForSequenceClassification.from_pretrained(tmp_path).classifier.out_features == 1


def test_the_default_start_and_a_shared_backbone_are_accepted(bert: Path) -> None:
    check(None, {})
    check(bert, {"backbone": str(bert), "layers": [0, 1]})
    check(None, {"backbone": str(bert), "initialise_from": "backbone", "layers": [0]})
    check_start(load_settings(None, {"student": {"kind": "split"}, "precisions": ["fp16", "int8"]}))


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ({"layers": [0, 1]}, "whose tokenizer is not that of the teacher's first member"),
        ({"layers": [0, 5]}, "the teacher's first member has layers 0 to 1"),
        ({"initialise_from": "backbone", "backbone": "BERT", "layers": [0, 2]}, "student.backbone has layers 0 to 1"),
        ({"backbone": "BERT", "layers": [1], "initial_share": 0.5}, "initial_share needs all 2 layers"),
        (
            {"kind": "split", "split": {"joint_units": 1537}},
            "joint_units is 1537, but the encoder's layers have only 1536",
        ),
        ({"kind": "split", "split": {"units_left": 1537}}, "units_left is 1537, but the encoder's layers have only"),
    ],
)
def test_a_start_that_can_not_work_is_refused_before_anything_is_trained(
    bert: Path, student: dict[str, Any], message: str
) -> None:
    if "backbone" in student:
        student = {**student, "backbone": str(bert)}
    with pytest.raises(ConfigError, match=message):
        check(bert, student)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_layers_of_another_kind_of_encoder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a modernbert"):
        check(encoder_backbone(tmp_path, "modernbert"), {"layers": [0]})
    with pytest.raises(ConfigError, match="is a llama"):
        check(None, {"initialise_from": "backbone", "backbone": str(decoder_backbone(tmp_path)), "layers": [0]})


def test_settings_for_padding_do_not_make_a_tokenizer_another_one(bert: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bert, copy)
    file = copy / "tokenizer.json"
    file.write_text(
        file.read_text(encoding="utf-8").replace(
            '"truncation": null',
            '"truncation": {"direction": "Right", "max_length": 9, "strategy": "LongestFirst", "stride": 0}',
        ),
        encoding="utf-8",
    )
    check(bert, {"backbone": str(copy), "layers": [0, 1]})
