"""Running a cross-encoder in few shapes (buckets), one micro-batch on the device while others are written.

Callers' threads write micro-batches to host memory, each to its own; the device's thread copies them there and runs
them.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import onnxruntime as ort

from relevance.pair_encoding import EncodedPair, PaddedBatch, write_pairs
from service.backend import BatchRun, Logits
from service.gpu.binding import BindingRules, BoundShape, Staging
from service.gpu.device_thread import DeviceThread
from service.gpu.fitting import FittingShapes
from service.gpu.shapes import Cut, Shape, Shapes
from service.pair import Pair, sample_pairs


class _Part(NamedTuple):
    """What one run on the device gave, padding rows left out, and the tokens that it computed."""

    logits: Logits
    started: float
    finished: float
    tokens: int


class BucketRunner:
    """Runs a graph as `CrossEncoderRunner` does, padded to `shapes`."""

    def __init__(self, session: ort.InferenceSession, pad_id: int, shapes: Shapes, rules: BindingRules) -> None:
        self.fitting = FittingShapes(shapes)
        self._session, self._pad_id, self._rules = session, pad_id, rules
        self._staging_tokens = max(shape.tokens for shape in shapes)
        self._free: deque[Staging] = deque()
        self._bound: dict[Shape, BoundShape] = {}
        self._graph_ids = itertools.count(1)
        self._device = DeviceThread()

    @property
    def shapes(self) -> Shapes:
        """Those that the device has memory for."""
        return self.fitting.left

    def warm(self) -> None:
        """Run every shape; errors as of `FittingShapes.warm`."""
        self.fitting.warm(lambda shape: self.run(self.samples(shape.length, shape.pairs)))

    def run(self, pairs: Sequence[Pair], options: ort.RunOptions | None = None) -> BatchRun:
        """Score `n` pairs: written in the calling thread, run in the device's."""
        encoded = cast(Sequence[EncodedPair], pairs)
        with self._staging() as staging:
            run = partial(self._part, encoded, staging, options)
            parts = self.fitting.run(max(map(len, encoded)), len(encoded), run)
        return BatchRun(
            logits=np.concatenate([part.logits for part in parts]),
            started=parts[0].started,
            finished=parts[-1].finished,
            tokens=sum(map(len, encoded)),
            padded_tokens=sum(part.tokens for part in parts),
        )

    def samples(self, length: int, count: int, token_id: int = 0) -> Sequence[Pair]:
        """`count` pairs of `length` tokens."""
        return sample_pairs(length, count, token_id)

    def close(self) -> None:
        """End the device's thread."""
        self._device.close()

    def _part(self, pairs: Sequence[EncodedPair], staging: Staging, options: ort.RunOptions | None, cut: Cut) -> _Part:
        rows, batch = pairs[cut.start : cut.stop], staging.batch(cut.shape)
        write_pairs(rows, self._pad_id, batch)
        part = self._device.run(partial(self._on_device, cut.shape, batch, options), options)
        return part._replace(logits=part.logits[: len(rows)])

    def _on_device(self, shape: Shape, batch: PaddedBatch, options: ort.RunOptions | None) -> _Part:
        if shape not in self._bound:
            self._bound[shape] = BoundShape(self._session, shape, self._rules, next(self._graph_ids))
        started = time.monotonic()
        logits = self._bound[shape].run(batch, options)
        return _Part(logits, started, time.monotonic(), shape.tokens)

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
