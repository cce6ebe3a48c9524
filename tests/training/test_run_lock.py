from __future__ import annotations

from pathlib import Path

import pytest

from training.errors import RunDirectoryError
from training.run_directory import RunDirectory
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
