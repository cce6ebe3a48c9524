"""Buckets on the CPU provider, where binding and padding are the same; a GPU's faults come from an injected session."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import onnxruntime as ort
import pytest

from relevance.bundle import Bundle
from relevance.pair_encoding import EncodedPair
from service.errors import BackendError, BatchTimeoutError
from service.gpu.binding import BindingRules
from service.gpu.bucket_runner import BucketRunner
from service.gpu.shapes import Shape, Shapes
from service.sessions import Graph, open_session
from tests.service.tiny_bundle import PIECES, VALUES

SHAPES = Shapes([Shape(pairs, length) for pairs in (1, 2, 4) for length in (4, 8)])
OUT_OF_MEMORY = "BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 839"


class FaultySession:
    """A real session, in front of whose every run `before(pairs)` is called."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self.before: Callable[[int], None] = lambda pairs: None
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def run_with_iobinding(self, binding: ort.IOBinding, options: Any) -> None:
        self.before(binding.get_outputs()[0].shape()[0])
        self._session.run_with_iobinding(binding, options)


@pytest.fixture
def session(bundle: Bundle) -> FaultySession:
    return FaultySession(open_session(Graph(bundle.graph_path("int8")), threads=1))


@pytest.fixture
def runner(session: FaultySession) -> Iterator[BucketRunner]:
    made = BucketRunner(session, PIECES.index("[PAD]"), SHAPES, BindingRules())
    yield made
    made.close()


def pair(word: str, length: int) -> EncodedPair:
    return EncodedPair((PIECES.index(word),) * length, (1,) * length)


def no_memory_for(most: int) -> Callable[[int], None]:
    def fails(pairs: int) -> None:
        if pairs > most:
            raise RuntimeError(OUT_OF_MEMORY)

    return fails


def test_logits_are_each_pairs_own_whatever_was_run_before(runner: BucketRunner) -> None:
    for lengths in ([3, 8, 1], [1], [2, 2, 2, 2, 2, 2, 2]):
        run = runner.run([pair("good", length) for length in lengths])
        assert run.logits.tolist() == [VALUES["good"] * length for length in lengths]
        assert run.tokens == sum(lengths)


def test_padding_up_to_the_bucket_is_counted(runner: BucketRunner) -> None:
    assert runner.run([pair("bad", 5)] * 3).padded_tokens == 4 * 8
    assert runner.run([pair("bad", 4)] * 5).padded_tokens == (4 + 1) * 4


def test_what_was_answered_is_not_written_to_by_the_next_run(runner: BucketRunner) -> None:
    first = runner.run([pair("good", 4)]).logits
    runner.run([pair("bad", 4)])
    assert first.tolist() == [3.0]


def test_a_shape_is_bound_once(runner: BucketRunner) -> None:
    runner.warm()
    bound = dict(runner._bound)
    assert set(bound) == set(SHAPES)
    runner.run([pair("good", 4)] * 4)
    assert runner._bound == bound


def test_the_next_micro_batch_is_written_while_one_is_on_the_device(
    runner: BucketRunner, session: FaultySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_device, written = threading.Event(), threading.Event()
    run = runner._device.run

    def noted(*args: Any) -> Any:
        if on_device.is_set():
            written.set()
        return run(*args)

    def wait_for_the_next(_: int) -> None:
        on_device.set()
        assert written.wait(10)

    monkeypatch.setattr(runner._device, "run", noted)
    session.before = wait_for_the_next
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(runner.run, [pair("good", 4)])
        assert on_device.wait(10)
        second = pool.submit(runner.run, [pair("bad", 4)])
        assert (first.result().logits.tolist(), second.result().logits.tolist()) == ([3.0], [-2.0])


def test_without_memory_smaller_shapes_are_run_and_that_is_said_once(
    runner: BucketRunner, session: FaultySession, caplog: pytest.LogCaptureFixture
) -> None:
    session.before = no_memory_for(2)
    for _ in range(3):
        assert runner.run([pair("good", 8)] * 4 + [pair("bad", 2)]).logits.tolist() == [6.0] * 4 + [-1.0]
    assert runner.fitting.splits == 1
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert set(runner.shapes) == {shape for shape in SHAPES if shape.tokens < 32}


def test_a_pair_alone_without_memory_fails_and_is_tried_again_the_next_time(
    runner: BucketRunner, session: FaultySession
) -> None:
    session.before = no_memory_for(0)
    with pytest.raises(RuntimeError, match="Failed to allocate"):
        runner.run([pair("good", 8)] * 4)
    session.before = no_memory_for(4)
    assert runner.run([pair("good", 8)] * 4).logits.tolist() == [6.0] * 4


def test_warming_gives_up_what_has_no_memory_and_nothing_else(runner: BucketRunner, session: FaultySession) -> None:
    session.before = no_memory_for(2)
    runner.warm()
    assert set(runner.shapes) == {shape for shape in SHAPES if shape.tokens < 16}

    def broken(_: int) -> None:
        raise RuntimeError("not implemented")

    session.before = broken
    with pytest.raises(BackendError, match=r"fails on .* not implemented"):
        runner.warm()


def test_what_was_told_to_stop_before_the_device_came_to_it_is_not_run(runner: BucketRunner) -> None:
    options = ort.RunOptions()
    options.terminate = True
    with pytest.raises(BatchTimeoutError, match="given up"):
        runner.run([pair("good", 4)], options)


def test_every_shape_that_is_captured_has_a_graph_of_its_own(session: FaultySession) -> None:
    used: list[str] = []
    run = session.run_with_iobinding

    def note(binding: ort.IOBinding, options: ort.RunOptions) -> None:
        used.append(options.get_run_config_entry("gpu_graph_id"))
        run(binding, options)

    session.run_with_iobinding = note  # type: ignore[method-assign]
    runner = BucketRunner(session, 0, SHAPES, BindingRules(cuda_graphs=True))
    runner.warm()
    runner.close()
    assert len(set(used)) == len(set(SHAPES))
    assert "0" not in used
