from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from loadtest.gpu_bench import correctness
from loadtest.gpu_bench.correctness import (
    WrongModelError,
    check_graph,
    check_packed,
    check_scores,
    check_split,
    check_torch,
)
from loadtest.gpu_bench.graph import DeviceGraph
from loadtest.gpu_bench.models import Model
from loadtest.raw_session import pairs_of
from loadtest.raw_split import RawSplit
from loadtest.workload import Workload
from relevance.bundle import load_bundle

BODIES = Workload(seed=3, candidates=12).bodies(2)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model("default", load_bundle(Path("models/cross-encoder")), "int8", None)


class OwnGraph:
    """Gives the fp32 graph's logits in one place and other ones on the device."""

    def __init__(self, path: Path, device: str, wrong: npt.NDArray[np.float32]) -> None:
        self._added = wrong if device == "cuda" else np.zeros_like(wrong)

    def logits(self, pairs: Sequence[object], pad_id: int) -> npt.NDArray[np.float32]:
        return np.linspace(-3, 3, len(pairs), dtype=np.float32) + self._added


def checked(monkeypatch: pytest.MonkeyPatch, model: Model, wrong: list[float]) -> dict[str, float]:
    added = np.array(wrong, dtype=np.float32)
    monkeypatch.setattr(correctness, "DeviceGraph", lambda path, device: OwnGraph(path, device, added))
    monkeypatch.setattr(Model, "exact", property(lambda _: Path("model.onnx")))
    half = Model(model.name, model.bundle, "fp16", None)
    monkeypatch.setattr(Model, "graph", property(lambda _: Path("model.fp16.onnx")))
    return check_graph(half, "cuda", BODIES)


def test_rounding_passes_and_is_told(monkeypatch: pytest.MonkeyPatch, model: Model) -> None:
    found = checked(monkeypatch, model, [0.001] * 12)
    assert found["largest_logit_difference"] == pytest.approx(0.001, rel=1e-2)
    assert (found["kendall_tau"], found["ties_at_top"]) == (1.0, 0)
    assert found["ndcg_lost"] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("added", [0.5, float("nan")])
def test_a_wrong_logit_stops_before_anything_is_timed(
    monkeypatch: pytest.MonkeyPatch, model: Model, added: float
) -> None:
    with pytest.raises(WrongModelError, match="default, fp16 on cuda: a logit is wrong by"):
        checked(monkeypatch, model, [0.0] * 11 + [added])


def test_the_service_and_torch_must_give_the_graph_s_scores(model: Model) -> None:
    rule = model.bundle.pair_encoder()
    logits = DeviceGraph(model.graph, "cpu").logits(pairs_of(rule, BODIES[0]), rule.pad_id)
    scores: npt.NDArray[Any] = model.bundle.manifest.calibration.probability(logits)
    assert check_scores(model, "cpu", BODIES[0], scores) < 1e-3
    assert check_torch(model, "cpu", BODIES[0], list(logits)) < 1e-3
    with pytest.raises(WrongModelError, match="a score through HTTP"):
        check_scores(model, "cpu", BODIES[0], scores[::-1])
    with pytest.raises(WrongModelError, match="no baseline"):
        check_torch(model, "cpu", BODIES[0], list(logits[::-1]))


def test_a_packed_graph_that_reads_padding_stops_before_anything_is_timed(model: Model, tmp_path: Path) -> None:
    right, blind = tmp_path / "right.onnx", tmp_path / "blind.onnx"
    graph = onnx.load(str(model.graph))
    onnx.save(graph, right)
    # Every token is a word to it: it looks at padding, too.
    for node in graph.graph.node:
        node.input[:] = ["token_mask" if name == "attention_mask" else name for name in node.input]
    graph.graph.node.insert(0, onnx.helper.make_node("Equal", ["input_ids", "input_ids"], ["same"]))
    graph.graph.node.insert(1, onnx.helper.make_node("Cast", ["same"], ["token_mask"], to=onnx.TensorProto.INT64))
    onnx.save(graph, blind)
    assert check_packed(replace(model, packed=right), "cpu", [(8, 32), (2, 16)]) == 0.0
    with pytest.raises(WrongModelError, match=r"default: a logit without padding is .* from the padded one on cpu"):
        check_packed(replace(model, packed=blind), "cpu", [(8, 32), (2, 16)])


def test_a_packed_graph_that_does_not_load_is_no_wrong_model(model: Model, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(RuntimeError, match=r"cannot load broken.onnx on cpu") as caught:
        check_packed(replace(model, packed=tmp_path / "broken.onnx"), "cpu", [(2, 16)])
    assert not isinstance(caught.value, WrongModelError)


@pytest.mark.parametrize("candidates", [1, 12])
def test_the_service_must_give_the_split_students_scores(candidates: int) -> None:
    bundle = load_bundle(Path("models/default"))
    (body,) = Workload(seed=3, candidates=candidates).bodies(1)
    (logits,) = RawSplit(bundle, [body]).logits()
    assert logits.shape == (candidates,)
    scores: npt.NDArray[Any] = bundle.manifest.calibration.probability(logits)
    assert check_split(bundle, "int8", body, scores) < 1e-6
    with pytest.raises(WrongModelError, match="a score through HTTP is"):
        check_split(bundle, "int8", body, 1.0 - scores)
