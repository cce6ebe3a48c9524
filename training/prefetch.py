"""The next batch is put together in a background thread while the model computes with the one before."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from training.batches import Batch
from training.trainer import BatchSource


class Prefetched:
    """A `BatchSource` one step ahead of its reader; the same batches in the same order, so resuming stays exact.

    `source[step]` must depend on the step alone. What goes wrong while a batch is made is raised when it is asked
    for, not before. Use it as a context: the thread ends with it.
    """

    def __init__(self, source: BatchSource) -> None:
        self._source = source
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-batch")
        self._ahead: tuple[int, Future[Batch]] | None = None

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, step: int) -> Batch:
        wanted = self._ahead[1] if self._ahead and self._ahead[0] == step else self._begin(step)
        self._ahead = (step + 1, self._begin(step + 1)) if step + 1 < len(self) else None
        return wanted.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def _begin(self, step: int) -> Future[Batch]:
        return self._thread.submit(self._source.__getitem__, step)
