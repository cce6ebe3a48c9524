from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import RunDirectoryError
from training.run_directory import STAGES, RunDirectory, Stage


def test_the_same_settings_go_on(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "run", {"settings": {"seed": 1}}).stage("pool").finish({"pairs": 3})
    stage = RunDirectory(tmp_path / "run", {"settings": {"seed": 1}}).stage("pool")
    assert stage.finished
    assert stage.manifest() == {"pairs": 3}


def test_other_settings_or_data_are_refused_by_name(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, {"settings": {"seed": 1, "pool": {"pairs": 5}}, "data": {"a.csv": "x"}})
    run.stage("pool").finish({})
    with pytest.raises(RunDirectoryError, match=r"changed: data\.a\.csv, settings\.pool\.pairs"):
        RunDirectory(tmp_path, {"settings": {"seed": 1, "pool": {"pairs": 6}}, "data": {"a.csv": "y"}})


def test_before_anything_is_finished_settings_may_be_mended(tmp_path: Path) -> None:
    RunDirectory(tmp_path, {"settings": {"seed": 1}}).stage("pool")
    RunDirectory(tmp_path, {"settings": {"seed": 2}}).stage("pool").finish({})
    with pytest.raises(RunDirectoryError, match=r"changed: settings\.seed"):
        RunDirectory(tmp_path, {"settings": {"seed": 1}})


def test_parts_of_an_unfinished_stage_do_not_outlive_its_settings(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, {"settings": {"seed": 1}})
    member = run.stage("teacher").directory / "member-0"
    member.mkdir()
    Stage(member).finish({})
    assert RunDirectory(tmp_path, {"settings": {"seed": 1}}).stage("teacher").directory.joinpath("member-0").exists()
    mended = RunDirectory(tmp_path, {"settings": {"seed": 2}})
    assert not mended.stage("teacher").directory.joinpath("member-0").exists()


def test_a_kill_during_the_very_first_write_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "run.json.partial").write_text("{", encoding="utf-8")
    assert not RunDirectory(tmp_path, {}).stage("pool").finished


def test_stages_made_from_something_that_is_gone_are_made_again(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, {})
    for name in STAGES:
        run.stage(name).finish({})
    (tmp_path / "teacher" / "manifest.json").unlink()
    run = RunDirectory(tmp_path, {})
    assert [run.stage(name).finished for name in STAGES] == [True, False, False, False, False, False]


def test_what_is_no_number_is_written_as_null(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    stage.finish({"ndcg": [float("nan"), 1.0], "auc": float("inf")})
    assert stage.manifest() == {"ndcg": [None, 1.0], "auc": None}


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match="no run directory"):
        RunDirectory(tmp_path, {})


def test_a_stage_is_unfinished_until_its_manifest_is_whole(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    (stage.directory / "pairs.parquet").write_bytes(b"half")
    (stage.directory / "manifest.json.partial").write_text("{", encoding="utf-8")
    assert not stage.finished


def test_a_damaged_manifest_says_what_to_delete(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    (stage.directory / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=r"delete .*pool to redo it"):
        stage.manifest()


def test_a_run_from_before_a_setting_existed_goes_on_with_its_default(tmp_path: Path) -> None:
    RunDirectory(tmp_path, {"settings": {"teacher": {"rate": 2}}}).stage("pool").finish({})
    defaults = {"settings": {"teacher": {"rate": 1, "classes": 1}, "new": None}}
    with pytest.raises(RunDirectoryError, match=r"changed: settings\.teacher\.classes\)"):
        changed = {"settings": {"teacher": {"rate": 2, "classes": 5}, "new": None}}
        RunDirectory(tmp_path, changed, defaults)
    RunDirectory(tmp_path, {"settings": {"teacher": {"rate": 2, "classes": 1}, "new": None}}, defaults)


def test_an_independent_stage_outlives_an_unfinished_one_before_it(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path, {})
    for name in ("teacher", "labels"):
        run.stage(name, independent=("teacher",)).finish({})
    run.stage("pool", independent=("teacher",))
    assert run.stage("teacher").finished
    assert not (tmp_path / "labels").exists()


@pytest.mark.parametrize("within", ["", "deeper"])
def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path, within: str) -> None:
    (tmp_path / "notes").write_text("x", encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=r"can not be made a run directory .* choose another --run-dir"):
        RunDirectory(tmp_path / "notes" / within, {})
