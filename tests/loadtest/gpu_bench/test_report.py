from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.gpu_bench.arithmetic import Shape, flop_per_pair
from loadtest.gpu_bench.buckets import Speeds
from loadtest.gpu_bench.models import Model
from loadtest.gpu_bench.plan import plan_for
from loadtest.gpu_bench.report import Report, headline
from relevance.bundle import load_bundle

SHAPE = Shape(12, 768, 3072)


def report() -> Report:
    made = Report(plan_for("cuda", quick=False))
    made.torch = {
        "matmul_tflops": {"float16": 100.0, "bfloat16": 90.0},
        "shapes": {"minilm-l6": {"eager": {"texts": 10_000.0}, "compiled": {"texts": 20_000.0}}},
    }
    made.http = {
        "minilm-l6 x1": {"pairs_per_s": 15_000.0, "p99_ms": 7.0},
        "minilm-l6 x32": {"pairs_per_s": 50_000.0, "p99_ms": 90.0},
    }
    made.correctness = {"minilm-l6": {"ndcg_lost": 0.0005}}
    return made


def test_the_headline_takes_each_figure_where_its_target_means_it(capsys: pytest.CaptureFixture[str]) -> None:
    made = report()
    bundle = load_bundle(Path("models/cross-encoder"))
    made.add_speeds(Model("minilm-l6", bundle, "fp16", None), Speeds({"bound": {(128, 32): 160_000.0}}))
    speed = 0.5 * 100e12 / flop_per_pair(SHAPE, 64)
    large = Speeds({"bound": {(512, 64): speed, (512, 128): 0.6 * speed}})
    made.add_speeds(Model("bert-base", bundle, "fp16", SHAPE), large)
    assert headline(made) == {
        "http_p99_ms": 7.0,
        "http_pairs_per_s": 50_000.0,
        "raw_pairs_per_s": 160_000.0,
        "bert_base_utilisation": 0.5,
        "times_torch": 2.5,
        "ndcg_lost": 0.0005,
    }
    made.show_end()
    shown = capsys.readouterr().out
    assert "at least 60,000 | 5e+04 | missed |" in shown or "at least 60,000 | 50,000 | missed |" in shown
    assert "share of ceiling" in shown


def test_a_ceiling_that_a_bucket_passes_gives_no_shares() -> None:
    made = report()
    speed = 1.5 * 100e12 / flop_per_pair(SHAPE, 64)
    bundle = load_bundle(Path("models/cross-encoder"))
    made.add_speeds(Model("bert-base", bundle, "fp16", SHAPE), Speeds({"bound": {(512, 64): speed, (8, 64): 1.0}}))
    assert headline(made)["bert_base_utilisation"] is None
    assert "1.5 of the matmul ceiling of 100 TFLOPS" in made.left_out["bert-base: share of the ceiling"]


def test_nothing_is_made_up_where_there_is_nothing() -> None:
    assert set(headline(Report(plan_for("cuda", quick=True))).values()) == {None}
