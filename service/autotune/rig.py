"""The engine as it is measured: ONNX Runtime in the backend's own threads."""

from __future__ import annotations

from statistics import fmean

from service.autotune.tuning import Layout
from service.backend import OnnxBackend, probe, warm_up
from service.cross_encoder import load_backend
from service.sessions import Graph


class OnnxRig:
    """A graph opened with one layout."""

    def __init__(self, backend: OnnxBackend) -> None:
        self._backend = backend

    def busy(self, pairs: int, length: int, times: int) -> float:
        """Seconds that a micro-batch takes in the mean, while every session runs `times` of them."""
        return fmean(run.seconds for run in probe(self._backend, length, pairs, times * self._backend.concurrency))

    def alone(self, length: int) -> float:
        """Seconds that one pair takes while nothing else runs."""
        (run,) = probe(self._backend, length, 1, times=1)
        return run.seconds

    def close(self) -> None:
        """Give its memory back."""
        self._backend.close()


def open_rig(graph: Graph, pad_id: int, longest: int, batch_tokens: int, layout: Layout) -> OnnxRig:
    """Open a rig and warm it as the service is; BackendError if the graph does not load, or fails at an extreme."""
    backend = load_backend(graph, pad_id, layout)
    try:
        warm_up(backend, longest, batch_tokens)
    except BaseException:
        backend.close()
        raise
    return OnnxRig(backend)
