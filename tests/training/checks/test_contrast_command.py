"""`python -m training.checks.contrast` with tiny students of both kinds, in this process."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from transformers import BertConfig, BertModel

from relevance.product import Product
from relevance.template import FieldBudget, Template
from tests.training.tiny import tiny_cross_encoder
from training.checks.contrast import Contrast, accuracy, contrast_check
from training.checks.contrast import __main__ as command
from training.checks.contrast.accuracy import accuracy_at_1, as_json, contrast_accuracies, table
from training.config import DistillSettings, SplitSettings, StudentSettings
from training.errors import RunDirectoryError
from training.models.split.student import SplitStudent
from training.run_directory import Stage, write_json
from training.stages import SETTINGS
from training.student.files import kind_of, save_student

FIRST_TOKEN = Template(query_max_tokens=24, fields=(FieldBudget(field="title", max_tokens=1),))
CONTROL = "kind (control)"

dataset, slices = contrast_check()
RIGHT = {(j.query, dataset.products[j.product_id].title) for j in dataset.judgements if j.target == 1.0}


def oracle(queries: Sequence[str], products: Sequence[Product]) -> Any:
    return np.array([float((query, product.title) in RIGHT) for query, product in zip(queries, products, strict=True)])


def blind(queries: Sequence[str], products: Sequence[Product]) -> Any:
    del queries
    return np.array([float(zlib.crc32(product.title.encode())) for product in products])


def few_cases() -> Contrast:
    few = {name: queries[:10] for name, queries in slices.items()}
    asked = {query for queries in few.values() for query in queries}
    return Contrast(replace(dataset, judgements=[j for j in dataset.judgements if j.query in asked]), few)


@pytest.fixture
def students(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A folder of each kind, and a few cases; the real cosine takes longer than all the rest."""
    monkeypatch.setattr(accuracy, "contrast_check", few_cases)
    monkeypatch.setattr(command, "BiEncoder", lambda: SimpleNamespace(title_cosines=oracle))
    encoder = BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32),
        add_pooling_layer=False,
    )
    folders = {name: tmp_path / name for name in ("cross", "split")}
    for folder in folders.values():
        folder.mkdir()
    save_student(tiny_cross_encoder(), folders["cross"])
    save_student(SplitStudent(encoder, SplitSettings(latent_width=16)), folders["split"])
    return folders


def run_directory(folder: Path, template: Template) -> Path:
    folder.mkdir()
    settings = DistillSettings(student=StudentSettings(template=template))
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))
    return folder


@pytest.mark.parametrize(
    ("scores", "value"),
    [((2.0, 1.0, 0.0), 1.0), ((2.0, 2.0, 0.0), 0.5), ((2.0, 2.0 + 1e-8, 0.0), 0.5), ((1.0, 0.0, 2.0), 0.0)],
)
def test_the_right_title_has_to_be_the_first(scores: tuple[float, ...], value: float) -> None:
    assert accuracy_at_1(np.array([1.0, 0.0, 0.0]), np.array(scores)) == value
    assert accuracy_at_1(np.array([0.0, 0.0, 1.0]), np.array(scores[::-1])) == value


def test_accuracies_by_slice() -> None:
    accuracies = contrast_accuracies({"oracle": oracle, "flat": lambda _, products: np.zeros(len(products))})
    figures = as_json(accuracies)
    assert [each["accuracy@1"]["oracle"]["mean"] for each in figures.values()] == [1.0] * 6
    assert [each["accuracy@1"]["flat"]["mean"] for each in figures.values()] == [0.5] * 6
    assert figures["all"]["cases"] == sum(each["cases"] for name, each in figures.items() if name != "all")
    assert "| oracle | 1.00 (1.00 – 1.00) |" in table(accuracies)


def test_a_model_that_does_not_read_the_query_gets_what_chance_gets() -> None:
    figures = as_json(contrast_accuracies({"blind": blind}))
    for name in ("numbers and units", "brand and model", CONTROL):
        assert figures[name]["accuracy@1"]["blind"]["mean"] == pytest.approx(figures[name]["chance"])


def test_students_of_both_kinds_read_as_the_runs_settings_say(
    students: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [f"--student={name}={folder}" for name, folder in students.items()]
    run = run_directory(tmp_path / "run", FIRST_TOKEN)
    assert command.main([*given, "--run-dir", str(run)]) == 0
    captured = capsys.readouterr()
    figures = json.loads(captured.out.splitlines()[-1])
    assert "holds no finished teacher" in captured.err
    assert all(f"\n| {name} | " in captured.out for name in ("chance", "cosine", *students))
    assert figures["all"]["accuracy@1"]["cosine"]["mean"] == 1.0
    # All titles of a control case begin with the same word: who reads no more ties them.
    assert {figures[CONTROL]["accuracy@1"][name]["mean"] for name in students} == {0.5}
    (tmp_path / "whole.toml").write_text('[student]\nkind = "split"\n', encoding="utf-8")
    assert command.main([*given, "--run-dir", str(run), "--config", str(tmp_path / "whole.toml")]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert 0.5 not in {figures[CONTROL]["accuracy@1"][name]["mean"] for name in students}


def test_the_teacher_of_the_run_is_measured_too(
    students: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = run_directory(tmp_path / "run", FIRST_TOKEN)
    (run / "teacher").mkdir()
    Stage(run / "teacher").finish({})
    monkeypatch.setattr(command, "load_teacher", lambda stage: SimpleNamespace(score=blind))
    assert command.main(["--run-dir", str(run)]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert figures[CONTROL]["accuracy@1"]["teacher"]["mean"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--student", "cross"], "--student takes NAME=DIR, got 'cross'"),
        (["--student", "cosine={cross}"], "two systems 'cosine'"),
        (["--student", "none={empty}"], "holds no student"),
        (["--run-dir", "{empty}"], "settings.json cannot be read"),
    ],
)
def test_what_can_not_work_is_said_in_one_line(
    students: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    given = [each.format(cross=students["cross"], empty=tmp_path / "empty") for each in arguments]
    assert command.main(given) == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_the_files_say_which_kind_of_student_lies_there(students: dict[str, Path], tmp_path: Path) -> None:
    assert kind_of(students["cross"]) == "cross-encoder"
    assert kind_of(students["split"]) == "split"
    (students["cross"] / "model.safetensors").unlink()
    with pytest.raises(RunDirectoryError, match="holds no student"):
        kind_of(students["cross"])


def test_the_cases_can_be_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("- ") for line in listed) == len(dataset.by_query())
    assert any(
        line.startswith("- `dog toy`: **Dog Toy, Classic, 2 Pack**; Toy Dog, Classic, 2 Pack; ") for line in listed
    )
