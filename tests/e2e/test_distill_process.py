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

ROOT = Path(__file__).parents[2]
TINY = """
name = "tiny"
synthetic_judged_queries = 16
[teacher]
warm_up_pairs = 64
judged_epochs = 1
[pool]
pairs = 160
candidates_per_query = 8
synthetic_products = 1300
synthetic_queries = 40
[student]
epochs = 1
pairs_per_batch = 32
"""


def command(folder: Path, run: str, *more: str) -> list[str]:
    config = folder / "tiny.toml"
    config.write_text(TINY, encoding="utf-8")
    base = [sys.executable, "-m", "training.distill", "--config", str(config), "--run-dir", str(folder / run)]
    return [*base, "--threads", "1", *more]


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


def test_the_bundle_is_whole_and_says_how_it_was_made(unbroken: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    bundle = load_bundle(folder / "unbroken" / "bundle")
    assert bundle.manifest.training["settings"]["pool"]["pairs"] == 160
    assert bundle.manifest.training["settings"]["seed"] == 0
    assert bundle.manifest.parity["int8"]["pairs"] > 0
    card = (bundle.directory / "README.md").read_text(encoding="utf-8")
    assert "all-MiniLM-L6-v2, Apache-2.0" in card
    assert "nDCG@10" in card


@pytest.mark.parametrize("after", ["pool/manifest.json", "labels/logits-00000.parquet"])
def test_killed_and_started_again_it_ends_as_if_unbroken(
    unbroken: subprocess.CompletedProcess[str], folder: Path, after: str
) -> None:
    assert unbroken.returncode == 0, unbroken.stderr
    name = after.split("/", maxsplit=1)[0]
    with subprocess.Popen(
        command(folder, name), cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        while process.poll() is None and not (folder / name / after).exists():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
        process.send_signal(signal.SIGKILL)
    assert not (folder / name / "metrics.json").exists(), "the run was over before it could be killed"
    resumed = run(folder, name)
    assert resumed.returncode == 0, resumed.stderr
    first, second = (json.loads(result.stdout.splitlines()[-1]) for result in (unbroken, resumed))
    assert second["held_out"] == first["held_out"]


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
