from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relevance.bundle import Bundle
from service.autotune.rig import OnnxRig, open_rig
from service.autotune.tuning import Layout
from service.errors import BackendError
from service.sessions import Graph
from tests.service.tiny_bundle import write_bundle


def rig_of(bundle: Bundle) -> OnnxRig:
    return open_rig(
        Graph(bundle.graph_path("int8")), 0, longest=21, batch_tokens=64, layout=Layout(sessions=2, threads=1)
    )


@pytest.fixture
def rig(bundle: Bundle) -> Iterator[OnnxRig]:
    made = rig_of(bundle)
    yield made
    made.close()


def test_runs_take_time(rig: OnnxRig) -> None:
    assert rig.busy(pairs=4, length=16, times=3) > 0
    assert rig.alone(length=16) > 0


def test_a_run_that_fails_is_a_backend_error(rig: OnnxRig, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: object) -> None:
        raise MemoryError("no memory")

    monkeypatch.setattr(rig._backend, "run_here", raises)
    with pytest.raises(BackendError, match="no memory"):
        rig.busy(pairs=4, length=16, times=3)
    with pytest.raises(BackendError, match="no memory"):
        rig.alone(length=16)


def test_a_graph_that_fails_when_warmed_is_refused_and_leaves_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.service.tiny_bundle.VALUES", {"[PAD]": float("nan")})
    bundle = write_bundle(tmp_path)
    before = threading.active_count()
    with pytest.raises(BackendError, match="no finite logit"):
        rig_of(bundle)
    assert threading.active_count() == before
