"""`python -m training.teacher`, in this process: the teacher alone, and its being taken up by a distillation."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.training.tiny import few_general_queries, save_pool, tiny_pool
from tests.training.tiny_models import decoder_backbone, tiny_dataset
from training import stages
from training.config_file import load_settings
from training.run_directory import Stage
from training.stages import open_run, pool_stage, teacher_stage
from training.teacher import __main__ as command

TINY = """
[teacher]
warm_up_pairs = 0
retention_share = 0.0
synthetic_judged_queries = 0
judged_epochs = 1
[[teacher.members]]
kind = "decoder"
backbone = "{backbone}"
max_tokens = 64
[pool]
pairs = 16
synthetic_products = 0
synthetic_queries = 0
[student]
initialise_from = "backbone"
"""


def data_folder(folder: Path) -> Path:
    folder.mkdir()
    dataset = tiny_dataset()
    products = "".join(product.model_dump_json(exclude_none=True) + "\n" for product in dataset.products.values())
    (folder / "products.jsonl").write_text(products, encoding="utf-8")
    rows = ({"query": j.query, "product_id": j.product_id, "grade": j.target} for j in dataset.judgements)
    (folder / "judgements.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def save_tiny_pool(sources: object, settings: object, encoder: object, stage: Stage, progress: object) -> None:
    save_pool(tiny_pool(), stage)


def test_it_shows_the_teacher_and_leaves_it_for_a_distillation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "general_check", few_general_queries)
    config, folder = tmp_path / "tiny.toml", tmp_path / "run"
    config.write_text(TINY.format(backbone=decoder_backbone(tmp_path)), encoding="utf-8")
    data = f"jsonl:{data_folder(tmp_path / 'data')}"
    assert command.main(["--config", str(config), "--run-dir", str(folder), "--data", data]) == 0
    printed = capsys.readouterr().out
    figures = json.loads(printed.splitlines()[-1])
    assert set(figures["ndcg@10"]) == set(figures["general_ndcg@10"]) == {"random", "bm25", "cosine", "teacher"}
    assert "| teacher |" in printed
    written = json.loads((folder / command.METRICS).read_text(encoding="utf-8"))
    assert written["ndcg@10"] == figures["ndcg@10"]
    # This teacher needs no pool, so none was drawn; drawing it later leaves the teacher as it is.
    assert not (folder / "pool").exists()
    trained = (folder / "teacher" / "manifest.json").stat().st_mtime_ns
    # Any pool will do: drawing a real one takes longer than all the rest.
    monkeypatch.setattr(stages, "gather_sources", lambda settings, split: SimpleNamespace(products=[]))
    monkeypatch.setattr(stages, "draw_pool", save_tiny_pool)
    run = open_run(load_settings(config, {"data": data}), folder)
    pool = pool_stage(run)
    assert len(teacher_stage(run, pool).members) == 1
    assert (folder / "teacher" / "manifest.json").stat().st_mtime_ns == trained


def test_what_can_not_work_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "tiny.toml"
    config.write_text(TINY.format(backbone="/nowhere"), encoding="utf-8")
    assert command.main(["--config", str(config), "--run-dir", str(tmp_path / "run")]) == 1
    assert "error: backbone /nowhere" in capsys.readouterr().err
