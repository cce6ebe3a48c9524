"""Running a cross-encoder in few shapes (buckets), one micro-batch on the device while others are written.

Callers' threads write micro-batches to host memory, each to its own; one thread of the runner's copies them to the
device and runs them. It is one thread because ONNX Runtime keeps captured CUDA graphs by thread, and because
a device that is always busy is filled by one.

A shape for which the device has no memory is given up with all that are as large, and what should have run
in it is run in smaller ones.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple, cast

import numpy as np
import onnxruntime as ort

from relevance.pair_encoding import EncodedPair, PaddedBatch, write_pairs
from relevance.runtime_errors import in_short
from service.backend import BatchRun, Logits
from service.errors import BackendError, BatchTimeoutError
from service.gpu.binding import BindingRules, BoundShape, Staging
from service.gpu.faults import Fault, fault_of
from service.gpu.shapes import Shape, Shapes
from service.pair import Pair

logger = logging.getLogger(__name__)

WARM_RUNS = 3
"""Runs of a shape before requests come: memory is laid out in the first, CUDA graphs are captured after it."""


class _Part(NamedTuple):
    """What one run on the device gave. Padding rows are still there."""

    logits: Logits
    started: float
    finished: float


class BucketRunner:
    """Runs a graph as `CrossEncoderRunner` does, padded to `shapes`."""

    def __init__(self, session: ort.InferenceSession, pad_id: int, shapes: Shapes, rules: BindingRules) -> None:
        self.shapes = shapes
        self.splits = 0
        """Micro-batches that had to be run in smaller shapes than they were meant for."""
        largest = shapes.largest
        if largest is None:
            raise BackendError("there is no shape to run in; set AISLE_BUCKETS=off. This is a bug.")
        self._session, self._pad_id, self._rules = session, pad_id, rules
        self._staging_tokens = largest.tokens
        self._free: deque[Staging] = deque()
        self._bound: dict[Shape, BoundShape] = {}
        self._graph_ids = itertools.count(1)
        self._device = ThreadPoolExecutor(1, thread_name_prefix="device")

    def warm(self) -> None:
        """Run every shape; BackendError if one fails, but for want of memory: that shape is given up."""
        # The largest come first: what they leave in the arena suffices for all others.
        for shape in self.shapes:
            if shape not in set(self.shapes):
                continue
            try:
                for _ in range(WARM_RUNS):
                    self.run(self.samples(shape.length, shape.pairs))
            except Exception as error:
                raise BackendError(
                    f"the model fails on {shape.pairs} pairs of {shape.length} tokens: {error}"
                ) from error

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs: written in the calling thread, run in the device's."""
        encoded = cast(Sequence[EncodedPair], pairs)
        with self._staging() as staging:
            parts, padded_tokens = self._run_all(encoded, staging, options)
        return BatchRun(
            logits=np.concatenate([part.logits for part in parts]),
            started=parts[0].started,
            finished=parts[-1].finished,
            tokens=sum(map(len, encoded)),
            padded_tokens=padded_tokens,
        )

    def samples(self, length: int, count: int) -> Sequence[Pair]:
        """`count` pairs of `length` tokens."""
        return [EncodedPair((0,) * length, (0,) * length)] * count

    def close(self) -> None:
        """End the device's thread."""
        self._device.shutdown(wait=False)

    def _run_all(
        self, pairs: Sequence[EncodedPair], staging: Staging, options: ort.RunOptions | None
    ) -> tuple[list[_Part], int]:
        longest = max(map(len, pairs))
        parts: list[_Part] = []
        done = padded_tokens = 0
        while done < len(pairs):
            cut = self.shapes.cut(longest, len(pairs) - done)[0]
            rows = pairs[done : done + cut.stop]
            batch = staging.batch(cut.shape)
            write_pairs(rows, self._pad_id, batch)
            # A row without any token may give NaN, and some kernels refuse it.
            batch.attention_mask[len(rows) :, 0] = 1
            try:
                part = self._device.submit(self._on_device, cut.shape, batch, options).result()
            except Exception as error:
                self._give_up(cut.shape, error)
                continue
            parts.append(part._replace(logits=part.logits[: len(rows)]))
            done += len(rows)
            padded_tokens += cut.shape.tokens
        return parts, padded_tokens

    def _on_device(self, shape: Shape, batch: PaddedBatch, options: ort.RunOptions | None) -> _Part:
        if options is not None and options.terminate:
            raise BatchTimeoutError("it was given up before the device came to it")
        if shape not in self._bound:
            self._bound[shape] = BoundShape(self._session, shape, self._rules, next(self._graph_ids))
        started = time.monotonic()
        logits = self._bound[shape].run(batch, options)
        return _Part(logits, started, time.monotonic())

    def _give_up(self, shape: Shape, error: Exception) -> None:
        """Do without `shape` and larger ones; raises `error` unless memory is what lacks and something smaller is left.

        A pair alone is run in its shape again: whatever took the memory may be gone by then.
        """
        smaller = self.shapes.without(shape)
        if fault_of(error) is not Fault.MEMORY or shape.pairs == 1 or shape.length not in smaller.lengths:
            raise error
        self.splits += 1
        if shape in set(self.shapes):
            fields = {**shape._asdict(), "left": len(list(smaller)), "error": in_short(error)}
            logger.warning("the GPU has no memory for this shape, going on with smaller ones", extra={"fields": fields})
            self.shapes = smaller

    @contextmanager
    def _staging(self) -> Iterator[Staging]:
        """Memory that nobody else writes to. A thread that hangs keeps its own, so more may have to be made."""
        try:
            staging = self._free.pop()
        except IndexError:
            staging = Staging(self._staging_tokens, self._rules.pin)
        try:
            yield staging
        finally:
            self._free.append(staging)
