from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from training.errors import ProcessError, RunDirectoryError
from training.run_directory import STAGES, RunDirectory, StageName, write_json


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


@pytest.mark.parametrize(("stage", "file"), [("teacher", "member-0/checkpoint.pt"), ("pool", "drawing/block-0.npz")])
def test_unfinished_work_of_other_settings_is_neither_mixed_nor_deleted(
    tmp_path: Path, stage: StageName, file: str
) -> None:
    RunDirectory(tmp_path, {"settings": {"seed": 1}})
    work = tmp_path / stage / file
    work.parent.mkdir(parents=True)
    work.write_bytes(b"hours")
    with pytest.raises(RunDirectoryError, match=rf"changed: settings\.seed\) and holds .* \({stage}\); use another"):
        RunDirectory(tmp_path, {"settings": {"seed": 2}})
    assert work.read_bytes() == b"hours"
    RunDirectory(tmp_path, {"settings": {"seed": 1}}).stage(stage)
    assert work.exists()


@pytest.mark.parametrize("content", ["[]", "3", "null", "{"])
def test_a_manifest_that_tells_nothing_is_damaged(tmp_path: Path, content: str) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    (stage.directory / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunDirectoryError, match=rf"manifest\.json cannot be read \(.*\); delete {stage.directory} to"):
        stage.manifest()


def test_a_manifest_that_lacks_what_is_read_of_it_is_damaged(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    stage.finish({"pairs": 3})
    assert stage.manifest(needs=("pairs",)) == {"pairs": 3}
    with pytest.raises(RunDirectoryError, match=rf"manifest\.json .* \(it lacks 'queries'\); delete {tmp_path}/a to"):
        stage.manifest(needs=("pairs", "queries"), redo=tmp_path / "a")


def test_a_manifest_that_may_not_be_read_need_not_be_redone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    stage.finish({})

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(RunDirectoryError, match=r"manifest\.json.*; let this user read and write there and run again$"):
        stage.manifest()


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "null"])
def test_a_damaged_fingerprint_is_never_written_anew_but_what_helps_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    told = rf"run\.json is damaged \(.*\); if settings and data are still .*, else delete {tmp_path} to start over$"
    with pytest.raises(RunDirectoryError, match=told):
        RunDirectory(tmp_path, {"settings": {"seed": 1}})
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == content


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free space there"),
        (errno.EDQUOT, "free space there"),
        (errno.EACCES, "let this user read and write there"),
        (errno.EROFS, "let this user read and write there"),
        (errno.EIO, "mend that"),
    ],
)
def test_a_file_that_can_not_be_written_says_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "write_text", refuse)
    # As a disk that is read-only does.
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(RunDirectoryError, match=rf"\({os.strerror(number)}\); {remedy} and run again"):
        write_json(tmp_path / "a.json", {})


@pytest.mark.parametrize("method", ["exists", "iterdir", "mkdir", "read_text"])
def test_a_run_directory_of_another_user_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    run = RunDirectory(tmp_path / "run", {})
    if method == "iterdir":
        (tmp_path / "run" / "run.json").unlink()

    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(RunDirectoryError, match=r"Permission denied\); (let this user|choose another)"):
        run.stage("pool") if method == "mkdir" else RunDirectory(tmp_path / "run", {})


def test_what_is_removed_with_the_stage_before_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = RunDirectory(tmp_path, {})
    run.stage("pool").finish({})
    run.stage("teacher").finish({})
    (tmp_path / "pool" / "manifest.json").unlink()
    run.stage("pool")
    assert f"{tmp_path}: removed teacher, made from what the unfinished stage pool now makes anew" in caplog.text


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


def test_another_process_does_not_go_on_with_other_data_than_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = {"settings": {}, "data": {"a.csv": "x"}}
    RunDirectory(tmp_path / "run", old)
    monkeypatch.setattr("training.run_directory.is_main", lambda: False)
    new = {"settings": {"seed": 0}, "data": {"a.csv": "x"}}
    RunDirectory(tmp_path / "run", new, {"settings": {"seed": 0}})
    with pytest.raises(ProcessError, match=r"other settings or data than process 0 \(they differ in data\.a\.csv\)"):
        RunDirectory(tmp_path / "run", {**old, "data": {"a.csv": "y"}})
    with pytest.raises(ProcessError, match=r"does not see .*run\.json.*that all processes share"):
        RunDirectory(tmp_path / "elsewhere", old)
    # It has taken nothing for its own.
    assert RunDirectory(tmp_path / "run", old).changed_since(tmp_path / "run") == []
