from __future__ import annotations

import json
from pathlib import Path

import pytest

from training.config import DistillSettings
from training.errors import ConfigError
from training.run_lock import only_writer
from training.study import __main__ as command
from training.study.variants import Variant


def test_each_seed_holds_out_other_queries_and_draws_a_pool_of_the_largest_multiple() -> None:
    base = DistillSettings(held_out_fraction=0.5, synthetic_judged_queries=4, seed=5)
    first, second = (command.of_seed(base, seed, 8) for seed in (0, 1))
    assert (first.seed, first.fold, first.split_seed) == (5, 0, 5)
    assert (second.seed, second.fold, second.split_seed) == (6, 1, 5)
    assert first.pool.pairs == 8 * 40


def test_a_fold_that_can_not_be_is_refused_before_any_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["scaling", "--run-dir", f"{tmp_path}/study", "--seeds", "9", "--multiples", "0"]
    assert command.main(arguments) == 1
    assert "lies past its" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "least"),
    [("--seeds", "0", 1), ("--seeds", "-1", 1), ("--multiples", "-1", 0), ("--multiple", "-1", 0)],
)
def test_a_number_that_can_not_be_is_refused(
    option: str, value: str, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["scaling", f"{option}={value}"])
    assert f"{option}: must be a whole number from {least} on, got '{value}'" in capsys.readouterr().err


def test_labels_of_one_run_are_for_one_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["split", "--run-dir", str(tmp_path / "study"), "--labels-of", str(tmp_path / "run"), "--seeds", "2"]
    assert command.main(arguments) == 1
    assert "--labels-of gives the labels of one run, but --seeds is 2" in capsys.readouterr().err


def test_labels_that_are_not_there_leave_no_run_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nothing, folder = tmp_path / "nothing", tmp_path / "study"
    assert command.main(["split", "--run-dir", str(folder), "--labels-of", str(nothing), "--seeds", "1"]) == 1
    assert "nothing/run.json cannot be read" in capsys.readouterr().err
    assert not folder.exists()


def test_some_of_the_students_are_chosen_by_name() -> None:
    variants = [Variant("4x-a", 4), Variant("4x-b", 4)]
    assert command.chosen(variants, None) == variants
    assert command.chosen(variants, ["4x-b"]) == variants[1:]
    with pytest.raises(ConfigError, match="--only names 4x-c, but this study's students are 4x-a, 4x-b"):
        command.chosen(variants, ["4x-b", "4x-c"])


def test_a_seed_at_which_another_command_is_at_work_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def begin(*_: object) -> None:
        raise ConfigError("begun")

    monkeypatch.setattr(command, "run_seed", begin)
    seed = tmp_path / "study" / "seed-0"
    with only_writer(seed):
        assert command.main(["losses", "--run-dir", str(tmp_path / "study"), "--seeds", "1"]) == 1
    assert f"{seed}: another command is at work here" in capsys.readouterr().err


def test_labels_of_an_earlier_run_are_taken_over_before_the_pool_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def stage(run: object) -> object:
        steps.append("pool")
        raise ConfigError("far enough")

    monkeypatch.setattr(command, "check_earlier", lambda directory, earlier: steps.append(f"looked at {earlier.name}"))
    monkeypatch.setattr(command, "take_over", lambda directory, earlier: steps.append(f"of {earlier.name}"))
    monkeypatch.setattr(command, "pool_stage", stage)
    arguments = ["split", "--run-dir", str(tmp_path / "study"), "--labels-of", str(tmp_path / "run"), "--seeds", "1"]
    assert command.main(arguments) == 1
    assert steps == ["looked at run", "of run", "pool"]
    # The settings are the run's own: its pool is not another size because the study has sizes of its own.
    told = json.loads((tmp_path / "study" / "seed-0" / "settings.json").read_text(encoding="utf-8"))
    assert told["pool"] == DistillSettings().pool.model_dump(mode="json")
