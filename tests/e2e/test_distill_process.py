"""The whole recipe as a user runs it: the real process, killed and taken up again, on tiny data."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from relevance.bundle import load_bundle
from training.run_directory import MANIFEST, STAGES

ROOT = Path(__file__).parents[2]
SMALL_DISTILL = [sys.executable, "-m", "tests.e2e.small_distill"]
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


def command(folder: Path, run: str, *more: str) -> list[str]:
    config = folder / "tiny.toml"
    config.write_text(TINY, encoding="utf-8")
    return [*SMALL_DISTILL, "--config", str(config), "--run-dir", str(folder / run), "--threads", "1", *more]


def resume(folder: Path, name: str) -> list[str]:
    return [*SMALL_DISTILL, "--resume", "--run-dir", str(folder / name), "--threads", "1"]


def run(folder: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, name, *more), cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("distill")


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> subprocess.CompletedProcess[str]:
    return run(folder, "unbroken")


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
        with subprocess.Popen(
            command(folder, "killed"), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and not (folder / "killed" / stage).exists():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.02)
            process.send_signal(signal.SIGKILL)
        assert not (folder / "killed" / stage / MANIFEST).exists(), f"{stage} was over before it could be killed"
    resumed = subprocess.run(resume(folder, "killed"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stderr
    first, second = (json.loads(result.stdout.splitlines()[-1]) for result in (unbroken, resumed))
    assert second["held_out"] == first["held_out"]


def test_stages_can_be_run_one_at_a_time_and_ask_for_those_they_need(
    unbroken: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    lacking = run(folder, "alone", "--stages", "labels")
    assert lacking.returncode == 1
    assert "needs pool, teacher, not finished" in lacking.stderr
    first = run(folder, "alone", "--stages", "pool")
    assert json.loads(first.stdout) == {"run_dir": str(folder / "alone"), "finished": ["pool"]}
    assert sorted(entry.name for entry in (folder / "alone").iterdir() if entry.is_dir()) == ["pool"]
    unknown = run(folder, "alone", "--stages", "pool,studnt")
    assert "no stage 'studnt'" in unknown.stderr


def test_resume_takes_the_settings_of_the_run(unbroken: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    again = subprocess.run(resume(folder, "unbroken"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert json.loads(again.stdout.splitlines()[-1]) == json.loads(unbroken.stdout.splitlines()[-1])
    other = subprocess.run(
        [*resume(folder, "unbroken"), "--seed", "3"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "leave out --seed" in other.stderr
    nothing = subprocess.run(resume(folder, "nowhere"), cwd=ROOT, capture_output=True, text=True, check=False)
    assert nothing.returncode == 1
    assert "nothing to resume" in nothing.stderr


def test_a_dry_run_counts_and_writes_nothing(folder: Path) -> None:
    told = run(folder, "dry", "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "240 of 12 queries to learn from, 80 held out" in told.stdout
    assert not (folder / "dry").exists()


def test_other_settings_in_the_same_folder_are_refused(
    unbroken: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    refused = run(folder, "unbroken", "--seed", "5")
    assert refused.returncode == 1
    assert "changed: settings.seed" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "chorus:/nowhere"], "/nowhere is no directory"),
        (["--data", "oracle"], "it must be synthetic, chorus:DIR"),
        (["--query-log", "/nowhere/log.txt"], "not there: /nowhere/log.txt"),
    ],
)
def test_what_can_not_work_is_said_in_one_line(folder: Path, arguments: list[str], message: str) -> None:
    refused = run(folder, "bad", *arguments)
    assert refused.returncode == 1
    assert message in refused.stderr
    assert "Traceback" not in refused.stderr
