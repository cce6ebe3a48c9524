"""Whether this replica should get requests, and whether it should live: what the probes are told."""

from __future__ import annotations

from service.admission import Admission
from service.backend import Backend
from service.batcher import Batcher
from service.errors import DrainingError, NotReadyError
from service.lifecycle import Lifecycle

STUCK_THREADS_PER_SESSION = 4
"""So many runs given up for each session mean that nothing but a restart helps."""


class Health:
    """Reads the parts that can fail."""

    def __init__(self, lifecycle: Lifecycle, admission: Admission, batcher: Batcher, backend: Backend) -> None:
        self._lifecycle = lifecycle
        self._admission = admission
        self._batcher = batcher
        self._backend = backend

    def check_alive(self) -> None:
        """Raise NotReadyError if only a restart brings the engine back."""
        if not self._batcher.alive and not self._lifecycle.draining:
            raise NotReadyError(self._batcher.trouble)
        if self._backend.stuck >= STUCK_THREADS_PER_SESSION * self._backend.concurrency:
            raise NotReadyError(f"{self._backend.stuck} micro-batches hang.")

    def check_ready(self) -> None:
        """Raise DrainingError or NotReadyError, which says why, if other replicas should get the requests."""
        if self._lifecycle.draining:
            raise DrainingError("The service is shutting down.")
        if not self._batcher.alive:
            raise NotReadyError(self._batcher.trouble)
        if self._backend.stuck:
            raise NotReadyError(f"{self._backend.stuck} micro-batches hang.")
        if self._admission.saturated:
            raise NotReadyError("The queue is full.")
