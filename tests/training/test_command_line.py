from __future__ import annotations

import argparse
import errno
from pathlib import Path

import pytest

from training.command_line import add_run_options, run_command, settings_from
from training.config import DistillSettings
from training.errors import ConfigError, RunDirectoryError
from training.run_directory import write_json
from training.stages import SETTINGS


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    parser.add_argument("--resume", action="store_true")
    return parser.parse_args(arguments)


@pytest.mark.parametrize("count", ["0", "-1", "two", "1025", "99999999999"])
def test_a_number_of_threads_that_can_not_be_is_refused(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parsed("--threads", count)
    assert f"--threads: must be a whole number from 1 to 1024, got '{count}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "given",
    [("--student", "split"), ("--data", "synthetic"), ("--seed", "3"), ("--config", "x"), ("--query-log", "x")],
)
def test_what_belongs_to_the_run_can_not_be_changed_by_a_resume(tmp_path: Path, given: tuple[str, str]) -> None:
    write_json(tmp_path / SETTINGS, DistillSettings().model_dump(mode="json"))
    with pytest.raises(ConfigError, match=f"--resume takes its settings from .*; leave out {given[0]}$"):
        settings_from(parsed("--resume", "--run-dir", str(tmp_path), *given))


def test_the_engine_may_be_another_one_after_a_resume(tmp_path: Path) -> None:
    write_json(tmp_path / SETTINGS, DistillSettings(seed=4).model_dump(mode="json"))
    settings = settings_from(parsed("--resume", "--run-dir", str(tmp_path), "--engine", "ray"))
    assert (settings.seed, settings.labelling.engine) == (4, "ray")


@pytest.mark.parametrize("content", ['{"seed": "x", "pool": {"pairs": 0}}', "{", "[]"])
def test_damaged_settings_of_a_run_are_told_in_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / SETTINGS).write_text(content, encoding="utf-8")
    with pytest.raises(
        RunDirectoryError, match=r"settings\.json is damaged or of another version \(.*; give the"
    ) as told:
        settings_from(parsed("--resume", "--run-dir", str(tmp_path)))
    assert "\n" not in str(told.value)


def test_what_this_user_may_not_touch_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: argparse.Namespace) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "run/settings.json")

    assert run_command(parsed(), refuse) == 1
    assert capsys.readouterr().err == (
        "error: run/settings.json: Permission denied; let this user read and write there and run again\n"
    )


def test_an_entry_of_the_wrong_kind_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "variants").touch()
    assert run_command(parsed(), lambda _: (tmp_path / "variants" / "1x").mkdir(parents=True)) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/variants/1x: Not a directory; mend that and run again\n"


def test_what_names_no_file_and_has_no_remedy_is_a_fault_of_ours() -> None:
    def fail(_: argparse.Namespace) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        run_command(parsed(), fail)


def test_ctrl_c_is_one_line_and_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped(_: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    assert run_command(parsed(), stopped) == 130
    assert capsys.readouterr().err == "interrupted; the same command goes on from what is finished\n"
