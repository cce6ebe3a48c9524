"""`python -m training.evaluation`, in this process: a run's models on judgements that came later."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from relevance.calibration import Calibration
from tests.training.tiny import tiny_cross_encoder
from tests.training.tiny_models import KINDS, tiny_dataset
from training.config import STUDENT_TEMPLATE, DistillSettings
from training.datasets.loading import data_digests
from training.evaluation import __main__ as command
from training.models.backbone import load_pair_encoder
from training.models.bi_encoder import BiEncoder
from training.models.pair_rule import EncoderInput
from training.run_directory import FINGERPRINT, Stage, write_json
from training.stages import SETTINGS, load_split
from training.student import save_student
from training.teacher import Member, Teacher


def data_folder(folder: Path, queries: dict[str, str]) -> str:
    """The tiny dataset's products, judged for these queries: each asks for products of a kind."""
    folder.mkdir()
    products = tiny_dataset().products.values()
    lines = "".join(product.model_dump_json(exclude_none=True) + "\n" for product in products)
    (folder / "products.jsonl").write_text(lines, encoding="utf-8")
    rows = [
        {"query": query, "product_id": product.id, "grade": float(product.title.endswith(kind))}
        for query, kind in queries.items()
        for product in products
    ]
    (folder / "judgements.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f"jsonl:{folder}"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    (folder / "student").mkdir(parents=True)
    own = {
        "data": data_folder(tmp_path / "data", dict(zip(KINDS, KINDS, strict=True))),
        "teacher": {"synthetic_judged_queries": 0},
        "student": {"layers": (0, 1)},
    }
    settings = DistillSettings.model_validate(own)
    write_json(folder / SETTINGS, settings.model_dump(mode="json"))
    write_json(folder / FINGERPRINT, {"data": data_digests(settings)})
    save_student(tiny_cross_encoder(), folder / "student")
    Stage(folder / "student").finish({"layers": [0, 1]})
    member = Member(tiny_cross_encoder(seed=1), EncoderInput(load_pair_encoder(STUDENT_TEMPLATE)))
    teacher = Teacher([member], BiEncoder(), Calibration(scale=8.0, bias=-3.0), 0.5)
    monkeypatch.setattr(command, "teacher_of", lambda _: teacher)
    return folder


def figures_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, dict[str, object]]:
    assert command.main(arguments) == 0
    printed = capsys.readouterr().out
    figures: dict[str, object] = json.loads(printed.splitlines()[-1])
    return printed, figures


def test_newer_judgements_are_read_without_what_was_learnt_from(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (learnt, *_) = load_split(command.settings_of_run(run)).train.by_query()
    newer = data_folder(tmp_path / "newer", {learnt: learnt, "footwear": "shoe", "light for home": "lamp"})
    before = sorted(run.rglob("*"))
    printed, figures = figures_of(capsys, "--run-dir", str(run), "--data", newer)
    assert (figures["data"], figures["queries"]) == (newer, 2)
    assert "| queries not learnt from (2 queries) |" in printed
    assert "| student − teacher | 2 |" in printed
    tests = figures["tests"]
    assert isinstance(tests, dict)
    assert {name: list(others) for name, others in tests.items()} == {
        "teacher": ["minus_cosine"],
        "student": ["minus_teacher", "minus_cosine"],
    }
    means = {name: figures["ndcg@10"][name]["mean"] for name in ("student", "teacher")}  # type: ignore[index]
    difference = tests["student"]["minus_teacher"]["ndcg@10"]["mean"]
    assert math.isclose(difference, means["student"] - means["teacher"], abs_tol=1e-9)
    assert sorted(run.rglob("*")) == before, "a run is only read"


def test_without_newer_ones_the_held_out_queries_are_read(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, figures = figures_of(capsys, "--run-dir", str(run))
    assert figures["queries"] == len(load_split(command.settings_of_run(run)).held_out.by_query())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--queries", "9"), "--seed and --queries are the embedded catalogue's, but the data is jsonl:"),
        (("--data", "synthetic", "--seed", "-1"), "command line: seed: "),
        (("--data", "jsonl:nowhere"), "nowhere is no directory"),
        (("--only", "4x"), "--only names 4x, but"),
    ],
)
def test_what_can_not_be_read_is_said_in_one_line(
    run: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--run-dir", str(run), *arguments]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_what_is_no_run_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--run-dir", str(tmp_path)]) == 1
    assert "settings.json cannot be read" in capsys.readouterr().err


def test_the_runs_own_data_is_read_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--run-dir", str(run)]) == 0
    assert capsys.readouterr().err.count("no grades.json beside it") == 1
