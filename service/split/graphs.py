"""How the three graphs of a split student are run, as they come; in few shapes: `buckets.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from relevance.product_record import ProductRecord
from relevance.split_graphs import JOINT_OUTPUT, QUERY_INPUTS
from relevance.split_inputs import Constants, encoder_inputs, joint_inputs, query_ids, records_of
from service.backend import Logits
from service.gpu.fitting import FittingShapes
from service.row_groups import Grouping, row_groups

PAIRS_AT_ONCE = 50
"""Pairs in a run of the joint graph: of 17, 25, 50 and 100 the fastest under load, and no slower alone. Each run takes
the interpreter's lock from the event loop twice."""

QUERY_BYTES = 2_000
"""Of one query's key and the objects of its arrays, beside what these hold."""

Text = Sequence[int]
"""Token ids of one side, special tokens included."""


@dataclass(frozen=True, slots=True)
class Query:
    """What the joint graph reads of a query: its constants, and its ids as they are matched."""

    constants: Constants
    ids: npt.NDArray[np.int64]

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return QUERY_BYTES + sum(array.nbytes for array in self.constants.values())


@dataclass(frozen=True, slots=True)
class SplitSessions:
    """The graphs, opened."""

    encoder: ort.InferenceSession
    query: ort.InferenceSession
    joint: ort.InferenceSession

    def latents(self, feed: dict[str, Any], options: ort.RunOptions | None) -> npt.NDArray[np.int8]:
        """Latents (n, length, D) of texts."""
        latents: npt.NDArray[np.int8] = self.encoder.run(["latents"], feed, options)[0]
        return latents

    def constants(self, feed: dict[str, Any], ids: Text, options: ort.RunOptions | None) -> Query:
        """The constants of the query `ids`, which is the first row of `feed`; what is behind it there is padding."""
        (hidden,) = self.encoder.run(["hidden"], feed, options)
        names = [output.name for output in self.query.get_outputs()]
        values = self.query.run(names, {QUERY_INPUTS[0]: hidden[:1, : len(ids)]}, options)
        return Query(dict(zip(names, values, strict=True)), query_ids(ids))

    def logits(self, feed: dict[str, Any], options: ort.RunOptions | None) -> Logits:
        """Logits of all rows of `feed`."""
        logits: Logits = self.joint.run([JOINT_OUTPUT], feed, options)[0]
        return logits


class SplitGraphs(Protocol):
    """Runs the graphs; several threads may call at once."""

    fitting: Sequence[FittingShapes]
    """The shapes of each graph that runs in some."""

    def records(
        self, texts: Sequence[Text], cut: Sequence[bool], options: ort.RunOptions | None = None
    ) -> list[ProductRecord]:
        """The record of each of n products; `cut`: whether its text was."""

    def query(self, ids: Text, options: ort.RunOptions | None = None) -> Query:
        """The constants of a query."""

    def logits(self, query: Query, records: Sequence[ProductRecord], options: ort.RunOptions | None = None) -> Logits:
        """Logits (n,) of n products."""

    def close(self) -> None:
        """No more will be run."""


class PlainGraphs:
    """Runs them in the calling thread, in whatever shape comes; `grouping` tells what the encoder takes at once."""

    fitting: Sequence[FittingShapes] = ()

    def __init__(self, sessions: SplitSessions, pad_id: int, grouping: Grouping = row_groups) -> None:
        self._sessions, self._pad_id, self._grouping = sessions, pad_id, grouping

    def records(
        self, texts: Sequence[Text], cut: Sequence[bool], options: ort.RunOptions | None = None
    ) -> list[ProductRecord]:
        """As of `SplitGraphs`."""
        found: dict[int, ProductRecord] = {}
        for rows in self._grouping([len(own) for own in texts]):
            group = [texts[row] for row in rows]
            latents = self._sessions.latents(encoder_inputs(group, self._pad_id), options)
            found.update(zip(rows, records_of(group, latents, [cut[row] for row in rows]), strict=True))
        return [found[row] for row in range(len(texts))]

    def query(self, ids: Text, options: ort.RunOptions | None = None) -> Query:
        """As of `SplitGraphs`."""
        return self._sessions.constants(encoder_inputs([ids], self._pad_id), ids, options)

    def logits(self, query: Query, records: Sequence[ProductRecord], options: ort.RunOptions | None = None) -> Logits:
        """As of `SplitGraphs`."""
        logits = np.empty(len(records), dtype=np.float32)
        # Longest first, a part at a time: less padding, and a part's latents stay in a core's cache.
        order = sorted(range(len(records)), key=lambda row: -len(records[row]))
        for start in range(0, len(order), PAIRS_AT_ONCE):
            rows = order[start : start + PAIRS_AT_ONCE]
            feed = joint_inputs(query.constants, query.ids, [records[row] for row in rows])
            logits[rows] = self._sessions.logits(feed, options)[: len(rows)]
        return logits

    def close(self) -> None:
        """It holds nothing that has to be given back."""
