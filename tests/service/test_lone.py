from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
import pytest

from relevance.pair_encoding import EncodedPair
from service.autotune.tuning import Layout
from service.backend import BatchRun, Runner
from service.errors import BackendError
from service.lone import MOST_THREADS, lone_of
from service.pair import Pair


class Slow:
    """A runner that takes as long as it is told to, on a clock of the test's."""

    def __init__(self, clock: list[float], seconds: float) -> None:
        self.clock = clock
        self.seconds = seconds
        self.closed = False

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        self.clock[0] += self.seconds
        return BatchRun(np.zeros(len(pairs), dtype=np.float32), 0.0, self.seconds, 1, 1)

    def samples(self, length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
        return [EncodedPair((token_id,) * length, (0,) * length)] * count

    def close(self) -> None:
        self.closed = True


class Failing(Slow):
    """One whose graph fails."""

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        raise RuntimeError("no such operator")


class Machine:
    """Opens wide runners that take `wide` seconds, and remembers how."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, own: float, wide: float) -> None:
        self.clock = [0.0]
        monkeypatch.setattr(time, "perf_counter", lambda: self.clock[0])
        self.own = Slow(self.clock, own)
        self.wide = wide
        self.opened: list[int] = []

    def open(self, threads: int, spin_microseconds: int) -> Runner:
        assert spin_microseconds > 0
        self.opened.append(threads)
        self.last = Slow(self.clock, self.wide)
        return self.last


@pytest.mark.parametrize(("wide", "threads"), [(0.5, 2), (0.89, 2), (0.95, 1), (1.2, 1)])
def test_a_wider_session_is_taken_where_it_is_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, wide: float, threads: int
) -> None:
    machine = Machine(monkeypatch, own=1.0, wide=wide)
    lone = lone_of(machine.own, Layout(2, 1), machine.open, 32, None)
    assert lone.threads == threads
    assert (lone.runner is machine.own) == machine.last.closed == (threads == 1)


def test_one_session_for_all_cores_has_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, own=1.0, wide=0.1)
    lone = lone_of(machine.own, Layout(1, 2), machine.open, 32, None)
    assert (lone.runner, lone.threads, machine.opened) == (machine.own, 2, [])


def test_many_cores_are_not_all_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, own=1.0, wide=0.1)
    assert lone_of(machine.own, Layout(32, 1), machine.open, 32, None).threads == MOST_THREADS


def test_a_setting_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, own=1.0, wide=2.0)
    assert lone_of(machine.own, Layout(2, 1), machine.open, 32, 2).threads == 2
    assert lone_of(machine.own, Layout(2, 1), machine.open, 32, 1).runner is machine.own
    assert machine.opened == [2]


def test_a_graph_that_fails_in_it_fails_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, own=1.0, wide=1.0)
    with pytest.raises(BackendError, match="fails on one pair alone: no such operator"):
        lone_of(machine.own, Layout(2, 1), lambda *_: Failing(machine.clock, 1.0), 32, None)
