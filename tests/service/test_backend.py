from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from relevance.bundle import Bundle
from relevance.cross_encoder_graph import INPUTS
from relevance.pair_encoding import EncodedPair
from relevance.product import Product
from service.autotune.tuning import Layout
from service.backend import BatchRun, OnnxBackend, probe, warm_up
from service.cross_encoder import CrossEncoderRunner, load_backend
from service.errors import BackendError, BatchTimeoutError, DeviceLostError, WorkerDiedError
from service.inference_threads import InferenceThreads
from service.sessions import Graph
from tests.service.tiny_bundle import write_bundle

Encode = Callable[..., list[EncodedPair]]


@pytest.fixture
def backend(bundle: Bundle) -> Iterator[OnnxBackend]:
    made = opened(bundle, sessions=2)
    yield made
    made.close()


def opened(bundle: Bundle, sessions: int = 1) -> OnnxBackend:
    return load_backend(Graph(bundle.graph_path("int8")), bundle.pair_encoder().pad_id, Layout(sessions, threads=1))


@pytest.fixture
def encode(bundle: Bundle) -> Encode:
    encoder = bundle.pair_encoder()

    def pairs(*titles: str) -> list[EncodedPair]:
        (query,) = encoder.encode_queries(["red shoe"])
        return [encoder.pair(query, product) for product in encoder.encode_products([Product(title=t) for t in titles])]

    return pairs


def run(backend: OnnxBackend, pairs: list[EncodedPair]) -> BatchRun:
    return asyncio.run(backend.run(pairs))


def test_logits_are_those_of_the_graph_in_order(backend: OnnxBackend, encode: Encode) -> None:
    assert run(backend, encode("good good bad", "bad", "lamp", "fair")).logits.tolist() == [1.0, -0.5, 0.0, 0.25]


def test_a_run_tells_its_size_and_its_times(backend: OnnxBackend, encode: Encode) -> None:
    pairs = encode("good", "good good good")
    result = run(backend, pairs)
    # Two tokens of padding are cheaper than another run of the graph.
    assert (result.tokens, result.padded_tokens) == (len(pairs[0]) + len(pairs[1]), 2 * len(pairs[1]))
    assert result.logits.dtype == np.float32
    assert result.seconds == result.finished - result.started >= 0


def test_pairs_of_unlike_length_run_apart_and_stay_in_order(backend: OnnxBackend, encode: Encode) -> None:
    pairs = encode("good", "bad bad bad bad bad bad", "lamp", "good good bad bad bad bad")
    result = run(backend, pairs)
    assert result.tokens == result.padded_tokens
    assert result.logits.tolist() == [run(backend, [pair]).logits[0] for pair in pairs]


class Named:
    """A runner that says who ran."""

    def __init__(self, inner: Any, name: str, ran: list[str]) -> None:
        self.inner = inner
        self.name = name
        self.ran = ran
        self.released = threading.Event()

    def run(self, *given: Any) -> BatchRun:
        self.ran.append(self.name)
        assert self.released.wait(10.0)
        result: BatchRun = self.inner.run(*given)
        return result

    def close(self) -> None:
        pass


def test_the_wide_session_runs_what_starts_alone(
    backend: OnnxBackend, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    wide, own = (Named(backend.runner, name, ran) for name in ("wide", "own"))
    backend.lone, backend.runner = wide, own  # type: ignore[assignment]

    async def two_and_one() -> None:
        first = asyncio.create_task(backend.run(encode("good"), alone=True))
        second = asyncio.create_task(backend.run(encode("good"), alone=True))
        await asyncio.sleep(0)
        wide.released.set()
        own.released.set()
        assert [run.lone for run in await asyncio.gather(first, second)] == [True, False]
        await backend.run(encode("good"), alone=True)
        # What was given up holds a core, though nobody waits for it.
        with monkeypatch.context() as patch:
            patch.setattr(InferenceThreads, "stuck", 1)
            await backend.run(encode("good"), alone=True)
        # The next one, which waits, will want the other cores in a moment.
        await backend.run(encode("good"))

    asyncio.run(two_and_one())
    assert sorted(ran[:2]) == ["own", "wide"]
    assert ran[2:] == ["wide", "own", "own"]


def test_a_failing_graph_raises(backend: OnnxBackend, encode: Encode) -> None:
    with pytest.raises(Exception, match="indices element out of data bounds"):
        run(backend, encode("boom"))


def test_warm_up_measures_a_speed(backend: OnnxBackend) -> None:
    assert warm_up(backend, longest=20, batch_tokens=64) > 0


def test_a_probe_runs_in_all_sessions_at_once(backend: OnnxBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    # A session that ran after another would never meet it here.
    meeting = threading.Barrier(backend.concurrency, timeout=10.0)
    run_here = backend.run_here

    def meet_and_run(pairs: Sequence[EncodedPair]) -> BatchRun:
        meeting.wait()
        return run_here(pairs)

    monkeypatch.setattr(backend, "run_here", meet_and_run)
    runs = probe(backend, length=5, count=3, times=2)
    assert [(run.tokens, run.padded_tokens) for run in runs] == [(15, 15)] * 2


def broken_graph(directory: Path, **names: Any) -> Bundle:
    """A tiny bundle whose graph passes `input_ids` through under other names or with other values."""
    write_bundle(directory)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "length"]) for name in names.get("inputs", INPUTS)
    ]
    nodes = [
        helper.make_node("Cast", [inputs[0].name], ["floats"], to=TensorProto.FLOAT),
        helper.make_node(names.get("op", "Identity"), ["floats"], [names.get("output", "logits")]),
    ]
    output = helper.make_tensor_value_info(names.get("output", "logits"), TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "broken", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, directory / "model.int8.onnx")
    return Bundle(directory, write_bundle(directory / "other").manifest)


@pytest.mark.parametrize("names", [{"inputs": ["input_ids"]}, {"output": "scores"}])
def test_a_graph_with_other_names_is_refused(tmp_path: Path, names: dict[str, Any]) -> None:
    with pytest.raises(BackendError, match=r"must have .*: export the bundle again"):
        opened(broken_graph(tmp_path, **names))


@pytest.mark.parametrize(
    ("op", "length", "message"),
    [
        ("Identity", 8, "fails on 1 pairs of 8 tokens: the graph gives 8 logits for 1 pairs"),
        ("Log", 1, "no finite logit for each of 8 pairs of 1 tokens; export the bundle again"),
    ],
)
def test_a_graph_that_gives_no_finite_logit_for_each_pair_fails_the_warm_up(
    tmp_path: Path, op: str, length: int, message: str
) -> None:
    backend = opened(broken_graph(tmp_path, op=op))
    with pytest.raises(BackendError, match=message):
        warm_up(backend, longest=length, batch_tokens=8)
    backend.close()


def test_a_graph_that_raises_fails_the_warm_up(backend: OnnxBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(_: object) -> BatchRun:
        raise RuntimeError("no memory")

    monkeypatch.setattr(backend, "run_here", raises)
    with pytest.raises(BackendError, match="no memory"):
        warm_up(backend, longest=8, batch_tokens=64)


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    (tmp_path / "model.int8.onnx").write_bytes(b"not a graph")
    with pytest.raises(BackendError, match="cannot load"):
        opened(bundle)


class StubSession:
    """Stands in for ONNX Runtime: waits for `release`, then gives zeros, or raises if it was told to stop."""

    def __init__(self) -> None:
        self.release = threading.Event()
        self.told_to_stop = threading.Event()
        self.heeds_stop = True

    def run(self, _: object, inputs: dict[str, Any], options: Any) -> list[Any]:
        while not self.release.wait(0.005):
            if options.terminate:
                self.told_to_stop.set()
                if self.heeds_stop:
                    raise RuntimeError("terminated")
        return [np.zeros((len(inputs["input_ids"]), 1), dtype=np.float32)]


def stub_backend(session: StubSession, batch_seconds: float) -> OnnxBackend:
    return OnnxBackend(CrossEncoderRunner(session, pad_id=0), concurrency=1, batch_seconds=batch_seconds)


ONE = [EncodedPair((1, 2, 3), (0, 0, 1))]


def test_a_run_that_takes_too_long_is_told_to_stop_and_frees_its_thread() -> None:
    session = StubSession()
    backend = stub_backend(session, batch_seconds=0.01)
    with pytest.raises(BatchTimeoutError, match=r"did not end within 0\.01 s"):
        asyncio.run(backend.run(ONE))
    assert session.told_to_stop.is_set()
    assert backend.stuck == 0
    session.release.set()
    assert run(backend, ONE).logits.tolist() == [0.0]
    backend.close()


def test_what_ends_a_thread_does_not_end_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = stub_backend(StubSession(), batch_seconds=math.inf)

    def ended(*_: object) -> BatchRun:
        raise SystemExit

    monkeypatch.setattr(backend, "run_here", ended)
    with pytest.raises(WorkerDiedError, match="SystemExit"):
        asyncio.run(backend.run(ONE))
    backend.close()


def test_a_lost_device_is_told_apart_from_a_failing_pair() -> None:
    backend = stub_backend(StubSession(), batch_seconds=math.inf)

    def lost(*_: object) -> BatchRun:
        raise RuntimeError("CUDA failure 999: unknown error ; GPU=0\nstack trace")

    backend.run_here = lost  # type: ignore[method-assign]
    with pytest.raises(DeviceLostError) as raised:
        asyncio.run(backend.run(ONE))
    assert str(raised.value) == "CUDA failure 999: unknown error ; GPU=0"
    backend.close()
