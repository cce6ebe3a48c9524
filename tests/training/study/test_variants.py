from __future__ import annotations

import json
import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.calibration import Calibration
from relevance.product import Product
from tests.training.tiny import few_general_queries, tiny_cross_encoder, tiny_pool
from training.config import STUDENT_TEMPLATE, DistillSettings, StudentSettings
from training.datasets.schema import Dataset, Judgement
from training.errors import ConfigError, DivergenceError, RunDirectoryError
from training.models.backbone import load_pair_encoder
from training.models.bi_encoder import BiEncoder
from training.models.pair_rule import EncoderInput
from training.run_directory import MANIFEST, write_json
from training.splits import Split
from training.study import variants
from training.study.designs import StudyName, variants_of
from training.study.variants import (
    MADE_OF,
    Laboratory,
    Variant,
    changed_student,
    check_variants,
    only_rows,
    part_of_pool,
    read_references,
    run_variant,
    with_minimum_pairs,
)
from training.teacher import Member, Teacher

JUDGED = 10
"""Two of the tiny pool's six queries are the judged ones."""


@pytest.fixture(scope="module")
def laboratory() -> Laboratory:
    products = {str(number): Product(id=str(number), title=f"red shoe {number}") for number in range(10)}
    judgements = [Judgement(query, key, int(key) % 2) for query in ("red shoe", "blue lamp") for key in products][
        :JUDGED
    ]
    judged = Dataset("tiny", products, judgements)
    held_out = Dataset("tiny", products, [Judgement("oak table", key, int(key) / 9) for key in products])
    pool = tiny_pool()
    member = Member(tiny_cross_encoder(), EncoderInput(load_pair_encoder(STUDENT_TEMPLATE)))
    teacher = Teacher([member], BiEncoder(), Calibration(scale=8.0, bias=-3.0), 0.5)
    labels = np.linspace(-2, 2, len(pool), dtype=np.float32)
    student = StudentSettings(layers=(0,), pairs_per_batch=10)
    settings = DistillSettings(student=student)
    return Laboratory(settings, Split(judged, held_out), pool, labels, "of these labels", teacher, least_pairs=40)


@pytest.fixture
def short_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is not about how much is read."""
    monkeypatch.setattr(variants, "general_check", few_general_queries)


@given(st.integers(0, 9))
def test_a_larger_part_holds_the_smaller_one_and_the_judged_pairs(seed: int) -> None:
    pool = tiny_pool(queries=12)
    parts = [set(part_of_pool(pool, JUDGED, multiple, seed).tolist()) for multiple in (0, 1, 2, 5)]
    assert parts[0] == set(range(JUDGED))
    assert [len(part) for part in parts] == [10, 20, 30, 60]
    for smaller, larger in pairwise(parts):
        assert smaller < larger


def test_a_part_keeps_queries_whole() -> None:
    pool = tiny_pool()
    part = only_rows(pool, part_of_pool(pool, JUDGED, 1, seed=3))
    assert [rows.stop - rows.start for rows in part.groups] == [5, 5, 5, 5]


def test_little_data_is_gone_through_until_enough_pairs_were_seen(laboratory: Laboratory) -> None:
    little = with_minimum_pairs(laboratory, Variant("0x", 0), pairs=10)
    assert little.epochs == 4
    much = with_minimum_pairs(laboratory, Variant("9x", 9), pairs=100)
    assert much.epochs == 1
    other = with_minimum_pairs(laboratory, Variant("x", 0, {"anchor": 0.0}), pairs=10)
    assert (other.anchor, laboratory.settings.student.anchor) == (0.0, 0.3)


def test_a_variant_is_trained_and_read_once(laboratory: Laboratory, tmp_path: Path) -> None:
    readings = run_variant(laboratory, Variant("1x", 1), tmp_path / "seed-0" / "variants" / "1x")
    assert readings["pairs"] == 20
    assert len(readings["held_out"]["ndcg@10"]["student"]) == 1
    assert len(readings["general"]["ndcg@10"]["student"]) == 100
    assert run_variant(laboratory, Variant("1x", 1), tmp_path / "seed-0" / "variants" / "1x") == readings
    assert not list(tmp_path.rglob("checkpoint.pt"))


@pytest.mark.usefixtures("short_check")
def test_what_was_read_of_other_labels_is_read_anew(laboratory: Laboratory, tmp_path: Path) -> None:
    folder = tmp_path / "seed-0" / "variants" / "0x"
    run_variant(laboratory, Variant("0x", 0), folder)
    (folder / MANIFEST).write_text('{"pairs": -1}', encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"\(it lacks 'held_out'\); delete {folder} to redo it"):
        run_variant(laboratory, Variant("0x", 0), folder)
    read = {"pairs": -1, "held_out": {}, "general": {}}
    write_json(folder / MANIFEST, read)
    assert run_variant(laboratory, Variant("0x", 0), folder) == read
    relabelled = replace(laboratory, labels_digest="of a teacher trained again")
    assert run_variant(relabelled, Variant("0x", 0), folder)["pairs"] == JUDGED


@pytest.mark.usefixtures("short_check")
def test_a_student_of_other_settings_is_not_taken_for_the_one_of_its_name(
    laboratory: Laboratory, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "seed-0" / "variants" / "0x"
    first = run_variant(laboratory, Variant("0x", 0), folder)
    assert "removed" not in caplog.text
    other = run_variant(laboratory, Variant("0x", 0, {"anchor": 0.7}), folder)
    assert f"{folder}: removed, made from other labels or by other settings of the student" in caplog.text
    assert (first["student"]["anchor"], other["student"]["anchor"]) == (0.3, 0.7)


@pytest.mark.usefixtures("short_check")
def test_what_was_read_before_a_setting_existed_is_kept(laboratory: Laboratory, tmp_path: Path) -> None:
    folder = tmp_path / "seed-0" / "variants" / "0x"
    run_variant(laboratory, Variant("0x", 0), folder)
    read = {"pairs": -1, "held_out": {}, "general": {}}
    write_json(folder / MANIFEST, read)
    made_of = json.loads((folder / MADE_OF).read_text(encoding="utf-8"))
    del made_of["student"]["overlap_weight"]
    (folder / MADE_OF).write_text(json.dumps(made_of), encoding="utf-8")
    assert run_variant(laboratory, Variant("0x", 0), folder) == read
    assert run_variant(laboratory, Variant("0x", 0, {"overlap_weight": 0.3}), folder)["pairs"] == JUDGED


@pytest.mark.parametrize("content", ["", '{"labels": "of', "[]"])
def test_a_damaged_marker_is_one_line_and_deletes_nothing(laboratory: Laboratory, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "seed-0" / "variants" / "0x"
    folder.mkdir(parents=True)
    (folder / MADE_OF).write_text(content, encoding="utf-8")
    (folder / MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"^{folder}/made-of\.json cannot be .*; delete {folder} to redo it$"):
        run_variant(laboratory, Variant("0x", 0), folder)
    assert (folder / MANIFEST).exists()


def test_a_finished_student_whose_marker_is_lost_is_not_deleted(laboratory: Laboratory, tmp_path: Path) -> None:
    folder = tmp_path / "seed-0" / "variants" / "0x"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"made-of\.json is not there, .*; restore it, or delete {folder} to"):
        run_variant(laboratory, Variant("0x", 0), folder)
    assert (folder / MANIFEST).exists()


def test_a_loss_that_is_no_number_is_said_to_be_the_students(laboratory: Laboratory, tmp_path: Path) -> None:
    broken = replace(laboratory, labels=np.full_like(laboratory.labels, np.nan))
    told = r"^0x: the loss of batch 0 .*leave this one out with --only$"
    with pytest.raises(DivergenceError, match=told):
        run_variant(broken, Variant("0x", 0), tmp_path / "seed-0" / "variants" / "0x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"layers": (0, 9)}, "4x-a: .*the packaged MiniLM has layers 0 to 5"), ({"anchor": -1}, "4x-a: anchor: ")],
)
def test_a_student_that_can_not_be_is_refused_by_name(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_variants(DistillSettings(), [Variant("4x", 4), Variant("4x-a", 4, changes)])


@pytest.mark.usefixtures("short_check")
def test_references_hold_the_teacher_and_what_needs_no_training(laboratory: Laboratory, tmp_path: Path) -> None:
    references = read_references(laboratory, tmp_path / "references")
    assert set(references["held_out"]["ndcg@10"]) == {"random", "bm25", "cosine", "teacher"}


def test_a_pool_that_is_too_small_for_the_study_is_refused(laboratory: Laboratory) -> None:
    laboratory.check_holds(2)
    with pytest.raises(ConfigError, match="the pool holds 30 pairs, 10 of them judged: too few for 3 times as many"):
        laboratory.check_holds(3)


@pytest.mark.parametrize(("study", "setting"), [("depth", "layers"), ("capacity", "layers")])
def test_a_study_of_what_a_split_student_does_not_read_is_refused(study: StudyName, setting: str) -> None:
    split = StudentSettings.model_validate({"kind": "split"})
    variants = variants_of(study, [4], 4, split)
    with pytest.raises(ConfigError, match=rf"4x-.*: it differs by student\.{setting}, which a split student does not"):
        check_variants(DistillSettings(student=split), variants)
    check_variants(DistillSettings(), variants)


@pytest.mark.parametrize("study", ["scaling", "losses", "inputs", "split", "split-details"])
def test_split_students_differ_in_what_they_read(study: StudyName) -> None:
    split = StudentSettings.model_validate({"kind": "split"})
    variants = variants_of(study, [4, 8], 4, split)
    check_variants(DistillSettings(student=split), variants)
    students = {changed_student(DistillSettings(student=split), variant).model_dump_json() for variant in variants}
    assert len(students) == (1 if study == "scaling" else len({variant.name.split("x-")[1] for variant in variants}))


def test_the_runs_own_epochs_and_steps_are_said_not_to_count(
    laboratory: Laboratory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "aisle.training")
    assert with_minimum_pairs(laboratory, Variant("9x", 9), pairs=100).epochs == 1
    assert not caplog.text
    student = laboratory.settings.student.model_copy(update={"epochs": 3, "max_steps": 7})
    own = replace(laboratory, settings=laboratory.settings.model_copy(update={"student": student}))
    made = with_minimum_pairs(own, Variant("0x", 0), pairs=10)
    assert (made.epochs, made.max_steps) == (4, None)
    assert "0x: 4 epochs of its 10 pairs, as every student of a study sees 40 at the least" in caplog.text
    assert "student.epochs = 3 and student.max_steps = 7" in caplog.text
