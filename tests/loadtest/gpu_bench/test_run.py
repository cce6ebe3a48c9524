from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtest.gpu_bench import run
from loadtest.gpu_bench.__main__ import main, parse_options
from loadtest.gpu_bench.plan import Plan, plan_for
from loadtest.gpu_bench.run import Options, run_bench
from loadtest.gpu_bench.targets import NOT_MEASURED

PLAN = replace(plan_for("cpu", quick=True), seconds=0.05, http_seconds=0.2, candidates=4)


def absent(*_: object) -> Any:
    raise RuntimeError("the package is not installed")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    # A copy: the service keeps its tuning beside the bundle.
    return Path(shutil.copytree("models/cross-encoder", tmp_path / "own"))


def test_what_is_missing_is_named_and_the_rest_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("made", "made_split", "measure_torch"):
        monkeypatch.setattr(run, part, absent)
    report = run_bench(Options(PLAN, tmp_path, bundle))
    assert {"minilm-l6", "split student", "matmul ceiling and torch baseline"} <= set(report["left_out"])
    assert report["left_out"]["own: cuda_graph"] == "CUDA alone has it"
    assert set(report["raw"]["own"]["bound"]) == {"2x16", "8x32"}
    assert report["left_out"]["own: mixed_packed"] == "CUDA alone has it"
    assert set(report["http"]) == {"own x1", "own x2"}
    assert all(figures["requests"] > 0 for figures in report["http"].values())
    assert report["correctness"]["own"]["score_difference"] < 1e-3
    assert {target["verdict"] for target in report["targets"].values()} == {NOT_MEASURED}
    json.dumps(report)
    assert "| HTTP: 4 candidates of 32 tokens" in capsys.readouterr().out


def test_a_service_of_another_model_stops_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*_: object) -> float:
        raise run.WrongModelError("a score through HTTP is 0.4 from the graph's own")

    for part in ("made", "made_split", "measure_torch"):
        monkeypatch.setattr(run, part, absent)
    monkeypatch.setattr(run, "check_scores", wrong)
    monkeypatch.setattr("loadtest.gpu_bench.__main__.plan_for", lambda *_: PLAN)
    assert main(["--device", "cpu", "--models", str(tmp_path), "--bundle", str(bundle)]) == 1
    captured = capsys.readouterr()
    assert "error: a score through HTTP is 0.4" in captured.err
    assert "own x1" not in captured.out


def test_a_gpu_that_is_not_there_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(run, "made", lambda *_: pytest.fail("nothing is made for a device that is not there"))
    assert main(["--models", str(tmp_path)]) == 1
    assert "install the extra 'gpu', and not 'cpu' beside it, or take --device cpu" in capsys.readouterr().err


def test_a_split_student_alone_is_measured_through_http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "made", absent)
    monkeypatch.setattr(run, "measure_torch", absent)
    monkeypatch.setattr(run, "made_split", lambda *_: pytest.fail("one was named"))
    report = run_bench(Options(PLAN, tmp_path, split=Path("models/default")))
    assert set(report["http"]) == {"split x1", "split x2"}
    assert report["correctness"]["split"]["score_difference"] < 1e-5
    assert report["raw"] == {}


def test_without_any_model_the_run_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for part in ("made", "made_split"):
        monkeypatch.setattr(run, part, absent)
    assert main(["--device", "cpu", "--models", str(tmp_path)]) == 1
    assert "install the extra 'train', or give --bundle or --split" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("named", "told"),
    [
        (["--bundle", "models/default"], "use --split"),
        (["--split", "models/cross-encoder"], "use --bundle"),
        (["--bundle", "nowhere"], "nowhere"),
    ],
)
def test_what_was_named_and_cannot_be_used_is_told_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str], named: list[str], told: str
) -> None:
    for part in ("made", "made_split"):
        monkeypatch.setattr(run, part, lambda *_: pytest.fail("made too soon"))
    assert main(["--device", "cpu", "--models", str(tmp_path), *named]) == 1
    assert told in capsys.readouterr().err


def test_an_onnx_runtime_for_cpus_over_the_one_for_gpus_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"}
    monkeypatch.setattr(run, "describe_machine", lambda: {"gpu": "H200", "packages": packages})
    monkeypatch.setattr(run.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert main(["--models", str(tmp_path)]) == 1
    assert "'onnxruntime' lies over 'onnxruntime-gpu', uninstall both" in capsys.readouterr().err


@pytest.mark.parametrize("device", ["cuda", "cpu"])
def test_a_quick_run_measures_some_of_what_a_whole_one_does(device: Any) -> None:
    quick, whole = plan_for(device, quick=True), plan_for(device, quick=False)
    assert set(quick.shapes) < set(whole.shapes)
    assert quick.seconds < whole.seconds
    assert set(whole.few_buckets) <= set(whole.buckets)
    options = parse_options(["--device", device, "--quick"])
    assert isinstance(options.plan, Plan) and options.plan == quick
