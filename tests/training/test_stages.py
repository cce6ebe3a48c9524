from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from relevance.calibration import Calibration
from tests.training.tiny import save_pool, tiny_cross_encoder, tiny_pool
from tests.training.tiny_models import encoder_backbone
from training.config import STUDENT_TEMPLATE, DistillSettings, StudentSettings
from training.datasets.schema import Dataset
from training.errors import RunDirectoryError
from training.models.backbone import load_pair_encoder
from training.models.bi_encoder import BiEncoder
from training.models.pair_rule import EncoderInput
from training.pool.files import digests
from training.pool.report import write_pool_report
from training.run_directory import FINGERPRINT, STAGES, RunDirectory, StageName, write_json
from training.splits import Split
from training.stage_files import check_digests
from training.stages import Run, check_can_start, labels_stage, open_run, pool_stage
from training.takeover import SHARED, take_over
from training.teacher import Member, Teacher

NEEDS_POOL = DistillSettings()
NO_DATA = Split(Dataset("none", {}, []), Dataset("none", {}, []))
NEEDS_NONE = DistillSettings.model_validate({"teacher": {"warm_up_pairs": 0, "retention_share": 0.0}})


def finished(path: Path, *names: StageName) -> Path:
    run = RunDirectory(path, {})
    for name in names:
        run.stage(name, independent=STAGES).finish({})
    return path


@pytest.mark.parametrize(
    ("there", "wanted", "missing"),
    [
        ((), ("labels",), "pool, teacher"),
        (("pool",), ("labels",), "teacher"),
        (("pool", "teacher"), ("pool", "student"), "labels"),
        # The teacher would be trained again after a new pool, which nobody asked for.
        (("teacher",), ("pool", "labels"), "teacher"),
    ],
)
def test_what_the_wanted_stages_need_is_named(
    tmp_path: Path, there: tuple[StageName, ...], wanted: tuple[StageName, ...], missing: str
) -> None:
    with pytest.raises(RunDirectoryError, match=f"needs {missing}, not finished"):
        check_can_start(NEEDS_POOL, finished(tmp_path, *there), wanted)


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ((), STAGES),
        (("pool", "teacher"), ("labels",)),
        (("pool", "teacher", "labels"), ("student", "evaluation")),
        (("pool", "teacher", "labels"), ("pool",)),
    ],
)
def test_what_is_there_or_wanted_is_enough(
    tmp_path: Path, there: tuple[StageName, ...], wanted: tuple[StageName, ...]
) -> None:
    check_can_start(NEEDS_POOL, finished(tmp_path, *there), wanted)


def test_a_teacher_that_learnt_nothing_from_the_pool_outlives_it(tmp_path: Path) -> None:
    check_can_start(NEEDS_NONE, finished(tmp_path, "teacher"), ("pool", "labels"))


@pytest.mark.parametrize("name", ["products.jsonl", "queries.parquet", "pairs-product.npy"])
def test_a_pool_that_was_changed_after_it_was_drawn_is_refused(tmp_path: Path, name: str) -> None:
    run = Run(NEEDS_POOL, NO_DATA, RunDirectory(tmp_path, {}))
    stage = run.directory.stage("pool")
    save_pool(tiny_pool(), stage)
    stage.finish({**stage.manifest(), "sha256": digests(stage.directory)})
    assert len(pool_stage(run)) == len(tiny_pool())
    path = stage.directory / name
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RunDirectoryError, match=rf"{name} was changed .*; delete {stage.directory} to redo it"):
        pool_stage(run)


def test_a_pool_of_an_earlier_version_is_taken_as_it_is(tmp_path: Path) -> None:
    stage = RunDirectory(tmp_path, {}).stage("pool")
    save_pool(tiny_pool(), stage)
    check_digests(stage.directory, {"pairs": 30}, stage.directory)


def test_a_kill_before_a_finished_draw_was_cleared_away_leaves_nothing_for_long(tmp_path: Path) -> None:
    run = Run(NEEDS_POOL, NO_DATA, RunDirectory(tmp_path, {}))
    save_pool(tiny_pool(), run.directory.stage("pool"))
    (tmp_path / "pool" / "drawing").mkdir()
    (tmp_path / "pool" / "drawing" / "block-00000.npz").write_bytes(b"large")
    pool_stage(run)
    assert not (tmp_path / "pool" / "drawing").exists()


def test_a_kill_between_the_labels_and_their_report_is_made_good(tmp_path: Path) -> None:
    run, pool = Run(NEEDS_POOL, NO_DATA, RunDirectory(tmp_path, {})), tiny_pool()
    save_pool(pool, run.directory.stage("pool"))
    member = Member(tiny_cross_encoder(), EncoderInput(load_pair_encoder(STUDENT_TEMPLATE)))
    teacher = Teacher([member], BiEncoder(), Calibration(), 0.5)
    report = tmp_path / "pool" / "report.md"
    labels_stage(run, pool, teacher)
    whole = report.read_text(encoding="utf-8")
    assert "The teacher's scores" in whole
    write_pool_report(pool, None, report)
    labels_stage(run, pool, teacher)
    assert report.read_text(encoding="utf-8") == whole
    before = report.stat().st_mtime_ns
    labels_stage(run, pool, teacher)
    assert report.stat().st_mtime_ns == before


def of_teacher(backbone: Path) -> DistillSettings:
    member = {"kind": "encoder", "backbone": str(backbone)}
    return DistillSettings.model_validate(
        {"teacher": {"members": [member]}, "student": {"initialise_from": "backbone"}}
    )


BACKBONE_FILES = [("model.safetensors", ""), ("config.json", "_config"), ("tokenizer.json", "_tokenizer")]


def changed_copy(folder: Path, name: str) -> tuple[Path, Path]:
    """A backbone, and one of its name whose file `name` ends in a blank more."""
    here, there = encoder_backbone(folder), folder / "elsewhere" / "bert"
    shutil.copytree(here, there)
    path = there / name
    path.write_bytes(path.read_bytes() + b" ")
    return here, there


@pytest.mark.parametrize(("file", "ending"), BACKBONE_FILES)
def test_another_backbone_under_the_same_name_is_another_run(tmp_path: Path, file: str, ending: str) -> None:
    here, there = changed_copy(tmp_path, file)
    open_run(of_teacher(here), tmp_path / "run").directory.stage("pool").finish({})
    assert open_run(of_teacher(here), tmp_path / "run").directory.stage("pool").finished
    with pytest.raises(RunDirectoryError, match=rf"\(changed: backbones\.teacher{ending}\)"):
        open_run(of_teacher(there), tmp_path / "run")


@pytest.mark.parametrize(("file", "ending"), BACKBONE_FILES)
def test_labels_are_taken_over_by_a_student_of_another_backbone_alone(tmp_path: Path, file: str, ending: str) -> None:
    here, there = changed_copy(tmp_path, file)
    earlier = open_run(of_teacher(here), tmp_path / "earlier")
    for name in SHARED:
        earlier.directory.stage(name).finish({})
    student = {"backbone": str(there), "initialise_from": "backbone", "layers": (0, 1)}
    chosen = of_teacher(here).model_copy(update={"student": StudentSettings.model_validate(student)})
    run = open_run(chosen, tmp_path / "run")
    take_over(run.directory, earlier.directory.path)
    assert run.directory.stage("labels").finished
    with pytest.raises(RunDirectoryError, match=rf"\(changed: backbones\.teacher{ending}\); only student settings"):
        take_over(open_run(of_teacher(there), tmp_path / "other").directory, earlier.directory.path)


def test_a_run_that_did_not_say_what_it_began_with_goes_on(tmp_path: Path) -> None:
    chosen = of_teacher(encoder_backbone(tmp_path))
    open_run(chosen, tmp_path / "run").directory.stage("pool").finish({})
    marker = tmp_path / "run" / FINGERPRINT
    began = json.loads(marker.read_text(encoding="utf-8"))
    for told in ({"teacher": began["backbones"]["teacher"], "student": began["backbones"]["student"]}, {}):
        write_json(marker, {**began, "backbones": told})
        assert open_run(chosen, tmp_path / "run").directory.stage("pool").finished
    del began["backbones"]
    write_json(marker, began)
    assert open_run(chosen, tmp_path / "run").directory.stage("pool").finished
