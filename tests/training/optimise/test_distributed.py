"""Two real processes with gloo on this machine against one; they run once for all tests here."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.training.optimise.two_processes import KILLED_AT, LOSSES, PROCESSES, SIZES, gradients, trained
from training.optimise import distributed
from training.optimise.checkpoint import CheckpointStore

ROOT = Path(__file__).parents[3]
# The sums of a few fp64 numbers in another order.
SAME = {"atol": 1e-10, "rtol": 1e-10}
# The same after AdamW's division by small numbers, six times.
SAME_WEIGHTS = {"atol": 1e-8, "rtol": 1e-8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.training.optimise.two_processes", str(folder), port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, dict[str, Tensor]]]:
    return [torch.load(folder / f"results-{process}.pt", weights_only=True) for process in range(PROCESSES)]


@pytest.fixture(scope="module")
def reports(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"report-{process}.json").read_text()) for process in range(PROCESSES)]


@pytest.mark.parametrize("loss", LOSSES)
def test_two_processes_have_the_gradient_of_one(results: list[dict[str, dict[str, Tensor]]], loss: str) -> None:
    alone = gradients(loss)
    for result in results:
        assert result[loss].keys() == alone.keys()
        torch.testing.assert_close(result[loss], alone, **SAME)


def test_two_processes_end_with_the_weights_of_one(
    results: list[dict[str, dict[str, Tensor]]], reports: list[dict[str, Any]]
) -> None:
    weights, losses = trained()
    torch.testing.assert_close(results[0]["unbroken"], weights, **SAME_WEIGHTS)
    for name, tensor in results[0]["unbroken"].items():
        assert torch.equal(tensor, results[1]["unbroken"][name]), name
    # The loss told is the whole batch's, and only process 0 tells it.
    assert reports[0]["losses"] == pytest.approx(losses)
    assert reports[1]["losses"] == []


def test_a_run_goes_on_with_as_many_processes_or_fewer(
    folder: Path, results: list[dict[str, dict[str, Tensor]]], reports: list[dict[str, Any]], tmp_path: Path
) -> None:
    unbroken = results[0]["unbroken"]
    for result in results:
        assert all(torch.equal(tensor, unbroken[name]) for name, tensor in result["resumed"].items())
    assert reports[0]["losses_resumed"] == reports[0]["losses"][KILLED_AT:]
    shutil.copy(folder / "killed.pt", tmp_path / "checkpoint.pt")
    alone, losses = trained(CheckpointStore(tmp_path / "checkpoint.pt"), seed=9)
    assert len(losses) == len(SIZES) - KILLED_AT
    torch.testing.assert_close(alone, unbroken, **SAME_WEIGHTS)


def test_process_0_goes_first_and_the_others_find_its_files(reports: list[dict[str, Any]]) -> None:
    assert [report["marker"] for report in reports] == [False, True]


def test_what_process_0_sees_of_a_stage_holds_for_the_slower_ones(reports: list[dict[str, Any]]) -> None:
    assert [report["teacher_trained"] for report in reports] == [True, True]


def test_an_error_stops_all_processes_and_is_told_once(reports: list[dict[str, Any]]) -> None:
    assert reports[0]["main_fails"] == "TrainingError: the disk is full"
    assert reports[1]["main_fails"].startswith("ProcessError: process 0 failed")
    assert all("in process" in report["check_same"] for report in reports)
    assert all("loss of batch 0 of 6 is nan" in report["not_finite"] for report in reports)


def test_a_process_that_the_others_left_says_so_in_one_line(reports: list[dict[str, Any]]) -> None:
    *lost, own = reports[0]["alone"]
    assert len(lost) == 2
    for message in lost:
        assert message.startswith("ProcessError: process 0 lost the others (")
        assert "\n" not in message
    assert own == "TrainingError: the disk is full"


def test_each_process_draws_its_own_numbers_again_after_a_resume(reports: list[dict[str, Any]]) -> None:
    first, second = (report["random"] for report in reports)
    assert first[0] == first[2] != first[1]
    assert len({*first, *second}) == 4


def test_one_process_is_left_alone() -> None:
    with distributed.process_group(), distributed.main_first():
        assert (distributed.process(), distributed.processes(), distributed.is_main()) == (0, 1, True)
        torch.manual_seed(3)
        state = torch.get_rng_state()
        distributed.seed_dropout(0, 5)
        assert torch.equal(torch.get_rng_state(), state)
