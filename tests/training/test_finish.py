from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from export.bundle import Source
from relevance.calibration import Calibration
from tests.training.hand_made import dataset
from training import finish
from training.config import DistillSettings
from training.datasets.schema import Dataset
from training.errors import RunDirectoryError
from training.evaluation.scored_pairs import SCORES, load_scores
from training.finish import evaluate_run, export_run
from training.models.backbone import load_pair_encoder
from training.models.bi_encoder import BiEncoder
from training.models.pair_rule import EncoderInput
from training.report.write import write_report
from training.run_directory import RunDirectory, Stage
from training.splits import Split
from training.student import save_student
from training.teacher import Member, Teacher

from .tiny import tiny_cross_encoder

SETTINGS = DistillSettings(precisions=("fp32",))
FINGERPRINT = {"settings": SETTINGS.weight_settings(), "data": {}}


class Evaluated(NamedTuple):
    run: Path
    """A run that was evaluated and not exported, a copy of one's own."""
    figures: dict[str, Any]
    """What the evaluation returned."""


def split() -> Split:
    return Split(train=dataset(("cup",)), held_out=dataset())


def evaluate(path: Path, judged: Split) -> Evaluated:
    """A run in `path` with a student and a teacher of little use."""
    directory = RunDirectory(path, FINGERPRINT)
    directory.stage("pool").finish({"pairs": 1, "queries": 1})
    student = tiny_cross_encoder(1)
    student.save_pretrained(directory.stage("student").directory)
    directory.stage("student").finish({})
    rule = EncoderInput(load_pair_encoder(SETTINGS.student.template))
    teacher = Teacher([Member(tiny_cross_encoder(), rule)], BiEncoder(), Calibration(), 0.5)
    system = finish.student_system(student, rule.encoder)
    return Evaluated(path, evaluate_run(directory.stage("evaluation"), SETTINGS, judged, teacher, system))


@pytest.fixture(scope="module")
def evaluated_once(tmp_path_factory: pytest.TempPathFactory) -> Evaluated:
    """On the whole of the general check, which takes long."""
    return evaluate(tmp_path_factory.mktemp("evaluated") / "run", split())


@pytest.fixture
def evaluated(evaluated_once: Evaluated, tmp_path: Path) -> Evaluated:
    return evaluated_once._replace(run=shutil.copytree(evaluated_once.run, tmp_path / "run"))


def test_an_evaluation_stores_what_its_report_is_made_from(evaluated: Evaluated) -> None:
    run, figures = evaluated
    stage = Stage(run / "evaluation")
    sets = load_scores(stage.directory / SCORES)
    assert {name: len(pairs.targets) for name, pairs in sets.items()} == {"held_out": 20, "general": 1000}
    assert set(sets["held_out"].scores) == {"random", "bm25", "cosine", "teacher", "student"}
    assert figures["calibration_error"] == figures["calibration_errors"]["student"]["cross_fitted"]
    assert figures["tests"]["held_out"]["student_minus_cosine"]["mean"] == figures["student_minus_cosine"]["mean"]
    # The models are not needed again, neither for the manifest nor for the report.
    assert evaluate_run(stage, SETTINGS, split(), None, None)["ndcg@10"] == figures["ndcg@10"]  # type: ignore[arg-type]
    assert "5 held-out queries (20 judged pairs)" in write_report(run).read_text(encoding="utf-8")


def test_a_bundle_does_not_tell_the_product_types_of_the_catalogue(evaluated: Evaluated) -> None:
    run, figures = evaluated
    assert "light" in figures["slices"]["category"]
    export_run(RunDirectory(run, FINGERPRINT), SETTINGS, split(), figures)
    manifest = json.loads((run / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["metrics"]["ndcg@10"].keys() == figures["ndcg@10"].keys()
    assert not {"slices", "tables"} & manifest["metrics"].keys()
    assert '"light"' not in json.dumps(manifest["metrics"])
    for name in ("metrics.json", "evaluation/manifest.json"):
        kept = json.loads((run / name).read_text(encoding="utf-8"))
        assert "light" in kept["slices"]["category"]


def test_the_bundle_ships_the_tokenizer_that_the_student_learnt_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped: list[Path] = []

    def export(source: Source, *_: Any) -> dict[str, Any]:
        shipped.append(source.tokenizer)
        return {}

    monkeypatch.setattr(finish, "export_bundle", export)
    monkeypatch.setattr(finish, "general_check", lambda: dataset(("tea",)))
    save_student(tiny_cross_encoder(1), tmp_path)
    finish.export_student(tmp_path, SETTINGS.student, split(), None, None)  # type: ignore[arg-type]
    assert shipped == [tmp_path / "tokenizer.json"]


def test_an_evaluation_of_an_older_version_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "evaluation")
    stage.directory.mkdir()
    stage.finish({"ndcg@10": {}})
    with pytest.raises(RunDirectoryError, match=rf"older version.*delete {stage.directory} and run"):
        evaluate_run(stage, SETTINGS, split(), None, None)  # type: ignore[arg-type]


def judged_alike(target: float) -> Dataset:
    data = dataset(("lamp", "desk"))
    return replace(data, judgements=[replace(judgement, target=target) for judgement in data.judgements])


def test_a_calibration_that_is_none_is_said_in_log_card_and_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "general_check", lambda: dataset(("tea",)))
    alike = Split(train=dataset(("cup",)), held_out=judged_alike(1.0))
    run, figures = evaluate(tmp_path / "run", alike)
    told = "not fitted, scale 1: all 8 judged pairs have the target 1"
    assert figures["calibration"] == {"scale": 1.0, "bias": 0.0}
    assert f"calibration of the student: {told}" in caplog.text
    export_run(RunDirectory(run, FINGERPRINT), SETTINGS, alike, figures)
    assert f"Calibration: {told}" in (tmp_path / "run" / "bundle" / "README.md").read_text(encoding="utf-8")
    assert told in (tmp_path / "run" / "report" / "report.md").read_text(encoding="utf-8")


def test_a_student_no_better_than_chance_is_said_in_log_card_and_report(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "general_check", lambda: dataset(("tea",)))
    monkeypatch.setattr(finish, "student_system", lambda *_: lambda query, products: range(len(products)))
    run, figures = evaluate(tmp_path / "run", split())
    told = "is not shown to rank better than chance"
    assert figures["ranking_note"].startswith(told)
    assert f"on the held-out queries the student {told}" in caplog.text
    export_run(RunDirectory(run, FINGERPRINT), SETTINGS, split(), figures)
    assert f"- **On the held-out queries it {told}" in (run / "bundle" / "README.md").read_text(encoding="utf-8")
    assert f"the student {told}" in (run / "report" / "report.md").read_text(encoding="utf-8")


def test_one_held_out_query_has_no_interval_in_card_report_and_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "general_check", lambda: dataset(("tea", "desk")))
    one = Split(train=dataset(("cup",)), held_out=dataset(("lamp",)))
    run, figures = evaluate(tmp_path / "run", one)
    export_run(RunDirectory(run, FINGERPRINT), SETTINGS, one, figures)
    mean = figures["held_out"]["ndcg@10"]["student"]["mean"]
    card = (run / "bundle" / "README.md").read_text(encoding="utf-8")
    assert f"| student | {mean:.4f} (one query: no interval) | 0." in card
    assert "Student − teacher, held-out, paired: " in card
    assert "nan" not in card
    assert f"| {mean:.4f} | – |" in figures["tables"]
    assert f"| {mean:.3f} [" not in (run / "report" / "report.md").read_text(encoding="utf-8").partition("General")[0]
    kept = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert kept["student_minus_teacher"]["low"] is None


def test_a_bundle_that_was_deleted_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []

    def export(*arguments: Any) -> dict[str, Any]:
        bundle = arguments[-1].directory
        bundle.mkdir()
        (bundle / "manifest.json").write_text("{}", encoding="utf-8")
        made.append(bundle)
        return {}

    monkeypatch.setattr(finish, "export_student", export)
    monkeypatch.setattr(finish, "provenance", lambda *_: {})
    monkeypatch.setattr(finish, "write_report", lambda _: None)
    directory = RunDirectory(tmp_path / "run", {})
    figures = {"calibration": Calibration().model_dump()}
    for expected in (1, 1, 2, 2):
        if expected == 2 and len(made) == 1:
            shutil.rmtree(made[0])
        export_run(directory, SETTINGS, split(), figures)
        assert len(made) == expected


def test_an_export_that_is_killed_does_not_leave_the_manifest_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(finish, "export_student", killed)
    monkeypatch.setattr(finish, "provenance", lambda *_: {})
    directory = RunDirectory(tmp_path / "run", {})
    directory.stage("export").finish({"settings": {"name": "another"}, "parity": {}})
    with pytest.raises(KeyboardInterrupt):
        export_run(directory, SETTINGS, split(), {"calibration": Calibration().model_dump()})
    assert not directory.stage("export").finished
