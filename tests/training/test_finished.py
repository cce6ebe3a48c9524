from __future__ import annotations

from pathlib import Path

import pytest

from relevance.product import Product
from tests.training.tiny import save_pool, tiny_cross_encoder, tiny_pool
from training.config import DistillSettings, StudentSettings
from training.datasets.loading import data_digests
from training.datasets.schema import Dataset, Judgement
from training.datasets.synthetic import SyntheticSize, build_synthetic
from training.errors import ConfigError, DataError, RunDirectoryError
from training.finished import data_of_run, learnt_queries, students_of, teacher_of, unseen
from training.run_directory import FINGERPRINT, VARIANTS, Stage, write_json
from training.stages import load_split
from training.student import save_student

LAMP = Product(id="1", title="blue lamp", brand="acme")
SETTINGS = DistillSettings.model_validate({"synthetic_judged_queries": 8, "student": {"layers": (0, 1)}})


def asked(*queries: str) -> Dataset:
    return Dataset("later", {"1": LAMP}, [Judgement(query, "1", 1.0) for query in queries])


def left_by(run: Path, name: str, seed: int, **manifest: object) -> None:
    """A finished student of random weights."""
    folder = run / name
    folder.mkdir(parents=True)
    save_student(tiny_cross_encoder(seed=seed), folder)
    Stage(folder).finish(manifest)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    left_by(tmp_path, "student", seed=0, layers=[0, 1])
    variant = StudentSettings(layers=(0, 1)).model_dump(mode="json")
    left_by(tmp_path, f"{VARIANTS}/4x", seed=1, student=variant)
    references = tmp_path / VARIANTS / "references"
    references.mkdir()
    Stage(references).finish({"held_out": {}})
    unfinished = tmp_path / VARIANTS / "16x"
    unfinished.mkdir()
    return tmp_path


def test_the_runs_own_student_and_those_of_a_study_are_found(run: Path) -> None:
    students = students_of(run, SETTINGS)
    assert list(students) == ["student", "4x"]
    own, other = (students[name](["lamp"], [LAMP]) for name in students)
    assert own.shape == (1,)
    assert own[0] != other[0], "each has weights of its own"


def test_students_are_chosen_by_name(run: Path) -> None:
    assert list(students_of(run, SETTINGS, ["4x"])) == ["4x"]
    with pytest.raises(ConfigError, match=r"--only names 16x, but .* has finished student, 4x$"):
        students_of(run, SETTINGS, ["16x"])


def test_a_study_has_no_student_of_its_own(tmp_path: Path) -> None:
    left_by(tmp_path, f"{VARIANTS}/4x", seed=1, student=StudentSettings().model_dump(mode="json"))
    assert list(students_of(tmp_path, SETTINGS)) == ["4x"]
    with pytest.raises(ConfigError, match=r"has finished 4x$"):
        students_of(tmp_path, SETTINGS, ["student"])


def test_a_teacher_that_is_not_finished_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="has not finished its teacher; finish it first"):
        teacher_of(tmp_path)


def test_judged_and_pooled_queries_are_what_was_learnt_from(tmp_path: Path) -> None:
    judged = load_split(SETTINGS).train.by_query()
    own = data_of_run(tmp_path, SETTINGS)
    assert learnt_queries(tmp_path, SETTINGS, own) == set(judged)
    stage = Stage(tmp_path / "pool")
    stage.directory.mkdir()
    save_pool(tiny_pool(queries=3), stage)
    assert learnt_queries(tmp_path, SETTINGS, own) == {*judged, "red shoe", "blue lamp", "oak table"}


def test_what_the_teacher_learnt_of_the_rest_of_the_shop_counts(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "products.jsonl").write_text('{"id": "1", "title": "blue lamp"}\n', encoding="utf-8")
    grades = {"lamp": 1.0, "sofa": 0.0}
    rows = "".join(f'{{"query": "{query}", "product_id": "1", "grade": {g}}}\n' for query, g in grades.items())
    (tmp_path / "data" / "judgements.jsonl").write_text(rows, encoding="utf-8")
    teacher = {"synthetic_judged_queries": 5}
    settings = DistillSettings.model_validate({"data": f"jsonl:{tmp_path / 'data'}", "teacher": teacher, "seed": 3})
    write_json(tmp_path / FINGERPRINT, {"data": data_digests(settings)})
    of_the_shop = build_synthetic(4, SyntheticSize(queries=5, log_queries=0)).by_query()
    learnt = learnt_queries(tmp_path, settings, data_of_run(tmp_path, settings))
    assert set(of_the_shop) < learnt
    assert len(learnt) == len(of_the_shop) + 1, "and the one judged query that is not held out"


def test_a_run_whose_own_data_is_gone_says_that_it_is_the_runs(tmp_path: Path) -> None:
    settings = DistillSettings(data=f"jsonl:{tmp_path / 'moved'}")
    with pytest.raises(ConfigError, match=r"has learnt from must still be there, to leave it out: data is 'jsonl:"):
        data_of_run(tmp_path, settings)


def test_a_run_whose_own_data_has_grown_is_not_split_anew(tmp_path: Path) -> None:
    (tmp_path / "products.jsonl").write_text('{"id": "1", "title": "blue lamp"}\n', encoding="utf-8")
    judgements = tmp_path / "judgements.jsonl"
    lines = ['{"query": "lamp", "product_id": 1, "grade": 1}\n', '{"query": "sofa", "product_id": 1, "grade": 0}\n']
    judgements.write_text("".join(lines), encoding="utf-8")
    log = tmp_path / "log.txt"
    log.write_text("tent\n", encoding="utf-8")
    settings = DistillSettings(data=f"jsonl:{tmp_path}", query_logs=(log,))
    write_json(tmp_path / FINGERPRINT, {"data": data_digests(settings)})
    log.unlink()
    assert len(data_of_run(tmp_path, settings).judgements) == 2, "a log has no judgements"
    judgements.write_text("".join([*lines, lines[0].replace("lamp", "rug")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"no longer what .* was started with \(changed: judgements\.jsonl\), so "):
        data_of_run(tmp_path, settings)


def test_near_duplicates_of_what_was_learnt_are_left_out_and_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        left = unseen(asked("Lamps, blue", "red sofa", "blue lamp"), {"blue lamp"})
    assert list(left.by_query()) == ["red sofa"]
    assert (
        "1 of 3 queries are read; the run has learnt from the others, or from nearly the same: 'Lamps, blue', 'b"
        in caplog.text
    )
    caplog.clear()
    with caplog.at_level("INFO"):
        assert unseen(asked("red sofa"), {"blue lamp"}).by_query()
    assert caplog.messages == ["later: 1 of 1 queries are read"]


def test_nothing_left_to_read_is_an_error() -> None:
    with pytest.raises(DataError, match="dataset later: the run has learnt from all of its 2 queries"):
        unseen(asked("blue lamp", "blue lamps"), {"blue lamp"})
