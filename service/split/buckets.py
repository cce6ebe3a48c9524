"""Running a split student's graphs in few shapes (buckets), one run on the device while others are prepared.

Encoder and joint graph run in texts × tokens and products × tokens. What is constant in a request has its query's
length: as many shapes as a query has tokens at most, each of one row. Padding changes no logit: it is masked, or comes
last where sums are taken (training/models/split/joint_layer.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from relevance.product_record import ProductRecord
from relevance.split_inputs import encoder_inputs, joint_inputs, records_of
from relevance.template import Template
from service.backend import Logits
from service.errors import BackendError
from service.gpu.device_thread import DeviceThread
from service.gpu.fitting import FittingShapes
from service.gpu.shapes import Cut, Ladders, Shape, Shapes, make_grid, make_shapes
from service.predicted_cost import KNOWN_COST
from service.split.graphs import Query, SplitSessions, Text
from service.split.pair import SPECIAL_TOKENS

MOST_PRODUCTS = 256
"""Of a query in one run of the joint graph."""


class SplitShapes(NamedTuple):
    """What encoder and joint graph run in."""

    encoder: Shapes
    joint: Shapes


def split_shapes(template: Template, micro_batch_tokens: int, ladders: Ladders) -> SplitShapes:
    """For texts of the template, in micro-batches of so many tokens."""
    longest = template.max_length
    products = min(MOST_PRODUCTS, max(1, micro_batch_tokens // KNOWN_COST))
    return SplitShapes(
        # The encoder has no position behind the longest pair's.
        Shapes(
            Shape(texts, min(length, longest)) for texts, length in make_shapes(longest, micro_batch_tokens, ladders)
        ),
        # A lone product comes twice.
        Shapes(Shape(max(pairs, 2), length) for pairs, length in make_grid(longest, products, ladders)),
    )


class BucketedGraphs:
    """Runs the graphs as `PlainGraphs` does, padded to `shapes`: prepared by the caller, run in the device's thread."""

    def __init__(self, sessions: SplitSessions, pad_id: int, shapes: SplitShapes) -> None:
        self._sessions, self._pad_id = sessions, pad_id
        self._encoder, self._joint = (FittingShapes(own) for own in shapes)
        self.fitting: Sequence[FittingShapes] = (self._encoder, self._joint)
        self._device = DeviceThread()

    def warm(self, query_tokens: int) -> None:
        """Run every shape, and queries of up to so many tokens; errors as of `FittingShapes.warm`."""
        self._encoder.warm(lambda shape: self.records([(0,) * shape.length] * shape.pairs, [False] * shape.pairs))
        try:
            queries = [self.query((0,) * length) for length in range(SPECIAL_TOKENS, query_tokens + SPECIAL_TOKENS + 1)]
        except Exception as error:
            raise BackendError(f"the model fails on a query of at most {query_tokens} tokens: {error}") from error
        # The longest has the largest constants.
        self._joint.warm(lambda shape: self.logits(queries[-1], self._samples(shape)))

    def records(
        self, texts: Sequence[Text], cut: Sequence[bool], options: ort.RunOptions | None = None
    ) -> list[ProductRecord]:
        """As of `SplitGraphs`."""

        def run(part: Cut) -> list[ProductRecord]:
            rows = slice(part.start, part.stop)
            feed = encoder_inputs(texts[rows], self._pad_id, part.shape)
            latents = self._device.run(partial(self._sessions.latents, feed, options), options)
            return records_of(texts[rows], latents, cut[rows])

        parts = self._encoder.run(max(map(len, texts)), len(texts), run)
        return [record for part in parts for record in part]

    def query(self, ids: Text, options: ort.RunOptions | None = None) -> Query:
        """As of `SplitGraphs`."""

        def run(part: Cut) -> Query:
            feed = encoder_inputs([ids], self._pad_id, part.shape)
            return self._device.run(partial(self._sessions.constants, feed, ids, options), options)

        (query,) = self._encoder.run(len(ids), 1, run)
        return query

    def logits(self, query: Query, records: Sequence[ProductRecord], options: ort.RunOptions | None = None) -> Logits:
        """As of `SplitGraphs`."""

        def run(part: Cut) -> Logits:
            own = records[part.start : part.stop]
            feed = joint_inputs(query.constants, query.ids, own, part.shape)
            return self._device.run(partial(self._sessions.logits, feed, options), options)[: len(own)]

        return np.concatenate(self._joint.run(max(map(len, records)), len(records), run))

    def close(self) -> None:
        """End the device's thread."""
        self._device.close()

    def _samples(self, shape: Shape) -> list[ProductRecord]:
        length = min(shape.length, self._encoder.left.lengths[-1])
        return self.records([(0,) * length], [False]) * shape.pairs
