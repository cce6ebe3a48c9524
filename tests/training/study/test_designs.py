from __future__ import annotations

import pytest

from training.config import StudentSettings
from training.errors import ConfigError
from training.study.designs import variants_of


@pytest.mark.parametrize("study", ["losses", "depth", "inputs"])
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


def test_scaling_has_a_student_for_each_size() -> None:
    assert [(v.name, v.multiple) for v in variants_of("scaling", [0, 4], 16)] == [("0x", 0), ("4x", 4)]


def test_more_than_the_pool_is_refused() -> None:
    with pytest.raises(ConfigError, match="--multiple is 16, but the pool holds 4 times"):
        variants_of("losses", [0, 4], 16)
