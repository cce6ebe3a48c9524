from __future__ import annotations

import pytest

from training.config import BACKBONE_LAYERS, STUDENT_TEMPLATE, TEACHER_TEMPLATE, StudentSettings
from training.errors import ConfigError
from training.study.designs import variants_of
from training.study.variants import Variant


@pytest.mark.parametrize("study", ["losses", "depth", "inputs", "capacity", "auxiliary"])
def test_equal_data_and_settings_that_exist(study: str) -> None:
    variants = variants_of(study, [0, 16], 4)  # type: ignore[arg-type]
    assert {variant.multiple for variant in variants} == {4}
    for variant in variants:
        # A run's own anchor and human weight must not leak into what the row's name says.
        base = StudentSettings(anchor=0.0, human_weight=0.5).model_dump()
        settings = StudentSettings.model_validate({**base, **variant.changes})
        if "anchored" in variant.name:
            assert settings.anchor > 0
            assert bool(settings.human_weight) == ("human" in variant.name)


def test_inputs_differ_by_the_description_alone() -> None:
    fields = [
        {field["field"]: field["max_tokens"] for field in variant.changes["template"]["fields"]}
        for variant in variants_of("inputs", [16], 16)
    ]
    assert [budgets.pop("description", 0) for budgets in fields] == [0, 12, 24]
    assert fields[0] == fields[1] == fields[2]


def test_the_last_student_of_the_capacity_study_lacks_nothing_of_its_teacher() -> None:
    first, *_, last = (settings_of(variant, StudentSettings()) for variant in variants_of("capacity", [64], 64))
    assert (len(first.layers), first.template) == (3, STUDENT_TEMPLATE)
    assert (len(last.layers), last.template) == (BACKBONE_LAYERS, TEACHER_TEMPLATE)


def test_scaling_has_a_student_for_each_size() -> None:
    assert [(v.name, v.multiple) for v in variants_of("scaling", [0, 4], 16)] == [("0x", 0), ("4x", 4)]


def test_more_than_the_pool_is_refused() -> None:
    with pytest.raises(ConfigError, match="--multiple is 16, but the pool holds 4 times"):
        variants_of("losses", [0, 4], 16)


SPLIT = StudentSettings.model_validate({"kind": "split", "initial_share": 0.5, "split": {"encoder_layers": (0, 1, 5)}})


def settings_of(variant: Variant, run: StudentSettings) -> StudentSettings:
    return StudentSettings.model_validate({**run.model_dump(), **variant.changes})


def test_split_students_are_the_runs_own_but_for_what_their_names_say() -> None:
    variants = {variant.name: variant for variant in variants_of("split", [1, 16], 16, SPLIT)}
    assert list(variants)[:6] == [
        f"16x-{name}" for name in ("split-1", "cross-6", "cross-3", "cross-2", "split-2", "split-3")
    ]
    assert list(variants)[6:] == [f"1x-{name}" for name in ("split-1", "cross-6", "cross-3", "cross-2")]
    two = settings_of(variants["16x-split-2"], SPLIT)
    assert two == SPLIT.model_copy(update={"split": SPLIT.split.model_copy(update={"joint_layers": 2})})


def test_cross_encoders_read_what_the_split_student_reads_and_average_only_where_they_can() -> None:
    variants = {variant.name: variant for variant in variants_of("split", [16], 16, SPLIT)}
    six, three = (settings_of(variants[f"16x-cross-{layers}"], SPLIT) for layers in (6, 3))
    assert (six.kind, six.template, six.initial_share) == ("cross-encoder", SPLIT.template, 0.5)
    assert (three.layers, three.initial_share) == ((0, 2, 5), 0.0)
    assert six.learning_rate == StudentSettings().learning_rate


def test_a_run_with_a_cross_encoder_compares_default_split_students() -> None:
    (variant, *_) = variants_of("split", [16], 16, StudentSettings())
    student = settings_of(variant, StudentSettings())
    assert student == StudentSettings.model_validate({"kind": "split"})


@pytest.mark.parametrize("joint_layers", [1, 2])
def test_details_differ_from_the_student_of_one_joint_layer_and_from_each_other(joint_layers: int) -> None:
    run = SPLIT.model_copy(update={"split": SPLIT.split.model_copy(update={"joint_layers": joint_layers})})
    variants = variants_of("split-details", [16], 16, run)
    students = [settings_of(variant, SPLIT) for variant in variants]
    assert students[0] == SPLIT
    assert {student.split.joint_layers for student in students} == {1}
    assert len({student.model_dump_json() for student in students}) == len(students)
    # What the run's student lacks already is not trained a second time.
    narrow = SPLIT.model_copy(update={"split": SPLIT.split.model_copy(update={"joint_units": 384})})
    names = [variant.name for variant in variants_of("split-details", [16], 16, narrow)]
    assert "16x-split-1-narrow-joint-layer" not in names
