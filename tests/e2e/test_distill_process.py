"""The whole recipe as a user runs it: the real process, killed and taken up again, on tiny data.

What says no more than a message or writes a few files runs in this process: starting another takes longer than that.
"""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from relevance.bundle import load_bundle
from tests.e2e.small_distill import SMALL
from training.datasets import loading
from training.distill import main
from training.run_directory import MANIFEST, STAGES

ROOT = Path(__file__).parents[2]
DISTILL, SMALL_DISTILL = "training.distill", "tests.e2e.small_distill"
TINY = """
name = "tiny"
synthetic_judged_queries = 16
[teacher]
warm_up_pairs = 64
judged_epochs = 1
[pool]
pairs = 160
candidates_per_query = 8
synthetic_products = 130
synthetic_queries = 40
[student]
epochs = 1
pairs_per_batch = 32
"""


class Told(NamedTuple):
    status: int
    out: str
    err: str


Here = Callable[..., Told]


def settings(folder: Path, run: str) -> list[str]:
    """The options of a run in `folder`, as they are given the first time."""
    config = folder / "tiny.toml"
    config.write_text(TINY, encoding="utf-8")
    return ["--config", str(config), "--run-dir", str(folder / run)]


def resume(folder: Path, run: str) -> list[str]:
    return ["--resume", "--run-dir", str(folder / run)]


def process(module: str, *options: str) -> list[str]:
    return [sys.executable, "-m", module, *options, "--threads", "1"]


def run(module: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(process(module, *options), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """The command of SMALL in this process, whose logging is undone for the tests that follow."""
    root = logging.getLogger()
    level = root.level
    monkeypatch.setattr(loading, "SyntheticSize", SMALL)

    def told(*options: str) -> Told:
        status = main(options)
        return Told(status, *capsys.readouterr())

    yield told
    root.setLevel(level)
    for handler in [handler for handler in root.handlers if type(handler) is logging.StreamHandler]:
        root.removeHandler(handler)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distill")


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(SMALL_DISTILL, *settings(folder, "unbroken"))


def test_a_run_prints_tables_and_one_json_line_last(unbroken: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    figures = json.loads(unbroken.stdout.splitlines()[-1])
    assert set(figures["ndcg@10"]) == {"random", "bm25", "cosine", "teacher", "student"}
    assert all(0.0 < value <= 1.0 for value in figures["ndcg@10"].values())
    assert "| student |" in unbroken.stdout
    written = json.loads((folder / "unbroken" / "metrics.json").read_text(encoding="utf-8"))
    assert written["ndcg@10"] == figures["ndcg@10"]
    assert "Paired tests" in (folder / "unbroken" / "report" / "report.html").read_text(encoding="utf-8")
    assert "The teacher's scores" in (folder / "unbroken" / "pool" / "report.md").read_text(encoding="utf-8")


def test_the_bundle_is_whole_and_says_how_it_was_made(unbroken: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    bundle = load_bundle(folder / "unbroken" / "bundle")
    assert bundle.manifest.training["settings"]["pool"]["pairs"] == 160
    assert bundle.manifest.training["settings"]["seed"] == 0
    assert bundle.manifest.parity["int8"]["pairs"] > 0
    card = (bundle.directory / "README.md").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2, Apache-2.0" in card
    assert "nDCG@10" in card


def test_killed_in_every_stage_and_started_again_it_ends_as_if_unbroken(
    unbroken: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    for stage in STAGES:
        command = process(SMALL_DISTILL, *settings(folder, "killed"))
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as started:
            while started.poll() is None and not (folder / "killed" / stage).exists():
                with suppress(subprocess.TimeoutExpired):
                    started.wait(timeout=0.02)
            started.send_signal(signal.SIGKILL)
        assert not (folder / "killed" / stage / MANIFEST).exists(), f"{stage} was over before it could be killed"
    resumed = run(SMALL_DISTILL, *resume(folder, "killed"))
    assert resumed.returncode == 0, resumed.stderr
    first, second = (json.loads(result.stdout.splitlines()[-1]) for result in (unbroken, resumed))
    assert second["held_out"] == first["held_out"]


def test_stages_can_be_run_one_at_a_time_and_ask_for_those_they_need(here: Here, folder: Path) -> None:
    options = settings(folder, "alone")
    lacking = here(*options, "--stages", "labels")
    assert lacking.status == 1
    assert "needs pool, teacher, not finished" in lacking.err
    first = here(*options, "--stages", "pool")
    assert json.loads(first.out) == {"run_dir": str(folder / "alone"), "finished": ["pool"]}
    assert sorted(entry.name for entry in (folder / "alone").iterdir() if entry.is_dir()) == ["pool"]
    unknown = here(*options, "--stages", "pool,studnt")
    assert "no stage 'studnt'" in unknown.err


def test_resume_takes_the_settings_of_the_run(
    unbroken: subprocess.CompletedProcess[str], here: Here, folder: Path
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    again = here(*resume(folder, "unbroken"))
    assert json.loads(again.out.splitlines()[-1]) == json.loads(unbroken.stdout.splitlines()[-1])
    other = here(*resume(folder, "unbroken"), "--seed", "3")
    assert "leave out --seed" in other.err
    nothing = here(*resume(folder, "nowhere"))
    assert nothing.status == 1
    assert "nothing to resume" in nothing.err


def test_a_dry_run_counts_and_writes_nothing(folder: Path) -> None:
    # The command itself, on the whole of the embedded catalogue: nothing of it is encoded here.
    told = run(DISTILL, *settings(folder, "dry"), "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "240 of 12 queries to learn from, 80 held out" in told.stdout
    assert not (folder / "dry").exists()


def test_other_settings_in_the_same_folder_are_refused(
    unbroken: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    refused = run(DISTILL, *settings(folder, "unbroken"), "--seed", "5")
    assert refused.returncode == 1
    assert "(changed: held_out_queries, settings.seed)" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "chorus:/nowhere"], "/nowhere is no directory"),
        (["--data", "oracle"], "it must be synthetic, chorus:DIR"),
        (["--query-log", "/nowhere/log.txt"], "not there: /nowhere/log.txt"),
    ],
)
def test_what_can_not_work_is_said_in_one_line(here: Here, folder: Path, arguments: list[str], message: str) -> None:
    refused = here(*settings(folder, "bad"), *arguments)
    assert refused.status == 1
    assert message in refused.err
    assert "Traceback" not in refused.err
