from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from training.errors import RunDirectoryError
from training.run_directory import LOCK, RunDirectory
from training.run_lock import only_writer


def test_a_second_command_is_told_that_one_is_at_work(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with only_writer(run), pytest.raises(RunDirectoryError, match="another command is at work here"), only_writer(run):
        raise AssertionError("two at once")
    with only_writer(run):
        """The first has left it."""


def test_a_locked_folder_may_become_a_run_directory(tmp_path: Path) -> None:
    with only_writer(tmp_path / "run"):
        assert RunDirectory(tmp_path / "run", {"seed": 0}).stage("pool").directory.is_dir()


def test_a_command_that_was_refused_before_it_began_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such data"), only_writer(tmp_path / "run"):
        raise ValueError("no such data")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_was_there_or_holds_work_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with only_writer(tmp_path / "mine"):
        """Nothing is made in it."""
    assert (tmp_path / "mine").is_dir()
    with only_writer(tmp_path / "run"):
        RunDirectory(tmp_path / "run", {"seed": 0})
    assert (tmp_path / "run" / "run.json").is_file()


def test_a_lock_that_was_taken_away_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, locked = tmp_path / "run" / LOCK, []

    def lock_late(descriptor: int, operation: int) -> None:
        if not locked:
            lock.unlink()
        locked.append(descriptor)
        real(descriptor, operation)

    real = fcntl.flock
    monkeypatch.setattr(fcntl, "flock", lock_late)
    with only_writer(tmp_path / "run"):
        assert len(locked) == 2
        with pytest.raises(RunDirectoryError, match="another command"), only_writer(tmp_path / "run"):
            raise AssertionError("two at once")
