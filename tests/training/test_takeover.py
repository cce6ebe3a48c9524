from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from training.distill import main
from training.errors import RunDirectoryError
from training.run_directory import STAGES, RunDirectory, StageName
from training.takeover import SHARED, take_over


def fingerprint(pairs: int = 5, layers: int = 6) -> dict[str, Any]:
    settings = {"pool": {"pairs": pairs}, "student": {"layers": layers}}
    # Other layers than the packaged model has are another's.
    return {"settings": settings, "data": {"a.csv": "x"}, "backbones": {"teacher": ["t"], "student": f"s{layers}"}}


def earlier_run(path: Path, names: tuple[StageName, ...] = STAGES) -> Path:
    run = RunDirectory(path, fingerprint())
    for name in names:
        stage = run.stage(name)
        (stage.directory / "parts").mkdir()
        (stage.directory / "parts" / "of.bin").write_text(name)
        stage.finish({"of": name})
    return path


def test_another_student_starts_from_the_labels(tmp_path: Path) -> None:
    earlier, run = earlier_run(tmp_path / "one"), RunDirectory(tmp_path / "two", fingerprint(layers=3))
    take_over(run, earlier)
    for name in SHARED:
        assert run.stage(name).manifest() == {"of": name}
        assert (run.path / name / "parts" / "of.bin").read_text() == name
    assert not run.stage("student").finished


def test_the_earlier_run_keeps_what_it_has_when_the_new_one_is_deleted(tmp_path: Path) -> None:
    earlier, run = earlier_run(tmp_path / "one"), RunDirectory(tmp_path / "two", fingerprint(layers=3))
    take_over(run, earlier)
    (run.stage("pool").directory / "manifest.json").unlink()
    run.stage("pool")
    assert not (run.path / "labels").exists()
    assert RunDirectory(earlier, fingerprint()).stage("labels").manifest() == {"of": "labels"}


def test_a_takeover_that_was_killed_is_done_again_and_a_finished_stage_is_left(tmp_path: Path) -> None:
    earlier, run = earlier_run(tmp_path / "one"), RunDirectory(tmp_path / "two", fingerprint(layers=3))
    run.stage("pool").finish({"of": "its own"})
    (run.path / "teacher.partial").mkdir()
    (run.path / "teacher.partial" / "half").touch()
    take_over(run, earlier)
    assert run.stage("pool").manifest() == {"of": "its own"}
    assert not (run.path / "teacher" / "half").exists()
    assert not (run.path / "teacher.partial").exists()


def test_where_files_cannot_be_linked_they_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr("os.link", refuse)
    run = RunDirectory(tmp_path / "two", fingerprint(layers=3))
    take_over(run, earlier_run(tmp_path / "one"))
    assert (run.path / "labels" / "parts" / "of.bin").read_text() == "labels"


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, "free space there"), (errno.EACCES, "let this user read and write there")]
)
def test_a_copy_that_the_disk_refuses_is_one_line_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    def refuse(_: object, target: str) -> None:
        Path(target).write_text("half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.link", refuse)
    monkeypatch.setattr("shutil.copy2", refuse)
    run = RunDirectory(tmp_path / "two", fingerprint(layers=3))
    told = rf"one/pool/.* cannot be copied to .* \({os.strerror(number)}\); {remedy} and run again$"
    with pytest.raises(RunDirectoryError, match=told):
        take_over(run, earlier_run(tmp_path / "one"))
    assert not list(run.path.glob("*.partial"))
    assert not run.stage("pool").finished


def test_what_copytree_gathers_is_one_line_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: Path, **_: object) -> None:
        target.mkdir()
        raise shutil.Error([("a", "b", "no")])

    monkeypatch.setattr("shutil.copytree", refuse)
    run = RunDirectory(tmp_path / "two", fingerprint(layers=3))
    with pytest.raises(RunDirectoryError, match=r"one/pool cannot be copied to .*'no'.*; mend that and run again$"):
        take_over(run, earlier_run(tmp_path / "one"))
    assert not list(run.path.glob("*.partial"))


def test_labels_made_otherwise_are_refused_by_name(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "two", fingerprint(pairs=6, layers=3))
    with pytest.raises(RunDirectoryError, match=r"changed: settings\.pool\.pairs\); only student settings"):
        take_over(run, earlier_run(tmp_path / "one"))


@pytest.mark.parametrize(
    ("names", "message"), [((), "has not finished pool, teacher, labels"), (("pool", "teacher"), "finished labels;")]
)
def test_an_unfinished_run_is_refused(tmp_path: Path, names: tuple[StageName, ...], message: str) -> None:
    run = RunDirectory(tmp_path / "two", fingerprint())
    with pytest.raises(RunDirectoryError, match=message):
        take_over(run, earlier_run(tmp_path / "one", names))


def test_the_command_takes_over_before_it_starts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--run-dir", str(tmp_path / "two"), "--labels-of", str(tmp_path / "nothing")]) == 1
    assert "nothing/run.json cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "two").exists()


def test_what_is_no_run_and_the_run_itself_are_refused(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "two", fingerprint())
    with pytest.raises(RunDirectoryError, match="is no run directory"):
        take_over(run, tmp_path / "nothing")
    with pytest.raises(RunDirectoryError, match="the run itself"):
        take_over(run, run.path)
