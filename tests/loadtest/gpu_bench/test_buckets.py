from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loadtest.gpu_bench.buckets import Speeds, measure
from loadtest.gpu_bench.graph import DeviceGraph
from loadtest.gpu_bench.plan import plan_for
from relevance.pair_encoding import EncodedPair

PLAN = plan_for("cpu", quick=True)


def test_all_runs_count_and_each_is_warmed_up_before() -> None:
    calls = {"a": 0, "b": 0}

    def run(name: str) -> None:
        calls[name] += 1

    measured = measure([lambda: run("a"), lambda: run("b")], pairs=8, seconds=0.02)
    assert sum(calls.values()) == len(measured.latencies) + 2 * 2
    assert measured.pairs == 8 * len(measured.latencies)


@pytest.mark.parametrize("order", [1, -1])
def test_a_run_that_fails_while_it_warms_up_ends_the_others_and_is_the_reason(order: int) -> None:
    def fail() -> None:
        raise MemoryError("arena is full")

    with pytest.raises(MemoryError, match="arena is full"):
        measure([fail, lambda: None][::order], pairs=1, seconds=0.02)


def test_a_way_that_fails_is_left_out_with_its_reason_and_the_rest_go_on() -> None:
    speeds = Speeds()

    def fail() -> None:
        raise RuntimeError("out of memory\nand a long trace")

    speeds.add("bound", (512, 32), lambda: [fail], PLAN)
    speeds.add("bound", (8, 32), lambda: [lambda: None], PLAN)
    assert speeds.left_out == {"bound 512x32": "out of memory"}
    assert set(speeds.found["bound"]) == {(8, 32)}


def test_padded_rows_do_not_count_for_the_ceiling() -> None:
    speeds = Speeds({"bound": {(8, 32): 10.0}, "two_at_a_time": {(8, 32): 12.0}, "mixed_padded": {(8, 32): 90.0}})
    assert speeds.best() == {(8, 32): 12.0}


def test_a_bound_batch_runs_and_a_missing_device_is_named() -> None:
    graph = Path("models/cross-encoder/model.int8.onnx")
    DeviceGraph(graph, "cpu").bound((2, 16), fill=0.5)()
    with pytest.raises(RuntimeError, match="CUDA"):
        DeviceGraph(graph, "cuda")


def test_logits_of_a_batch_are_those_of_its_pairs() -> None:
    graph = DeviceGraph(Path("models/cross-encoder/model.int8.onnx"), "cpu")
    pairs = [EncodedPair((101, 2000 + n, 102, 3000, 102), (0, 0, 0, 1, 1)) for n in range(3)]
    together = graph.logits(pairs, pad_id=0)
    assert np.allclose(together, [graph.logits([pair], 0)[0] for pair in pairs], atol=1e-4)
