"""Runs a split student's graphs as serving does, one query after another: to compare and to calibrate them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from export.sessions import cpu_session
from relevance.bundle import SPLIT_PARTS, SplitPart
from relevance.product_record import ProductRecord
from relevance.split_graphs import JOINT_OUTPUT
from relevance.split_inputs import Feed, encoder_inputs, joint_inputs, query_ids, records_of

Ids = tuple[int, ...]
OpenGraph = Callable[[Path], onnxruntime.InferenceSession]
Logits = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SplitList:
    """One query and its products, each side with its special tokens, and soft targets (n,)."""

    query: Ids
    products: Sequence[Ids]
    targets: npt.NDArray[np.float64]

    def part(self, start: int, size: int) -> SplitList:
        """`size` products from `start` on."""
        chosen = slice(start, start + size)
        return SplitList(self.query, self.products[chosen], self.targets[chosen])


class SplitRunner:
    """The three graphs of one precision."""

    def __init__(self, files: Mapping[SplitPart, Path], pad_id: int, open_graph: OpenGraph = cpu_session) -> None:
        self._pad_id = pad_id
        self._sessions = {part: open_graph(files[part]) for part in SPLIT_PARTS}
        self._records: dict[Ids, ProductRecord] = {}

    def logits(self, judged: SplitList) -> Logits:
        """Logits (n,) of one list in one run."""
        (logits,) = self._sessions["joint"].run([JOINT_OUTPUT], self.joint_feed(judged))
        found: Logits = np.asarray(logits[: len(judged.products)], np.float64)
        return found

    def joint_feed(self, judged: SplitList) -> Feed:
        """Inputs of `joint` for one list."""
        hidden = self.hidden(judged.query)
        values = self._sessions["query"].run(None, {"hidden": hidden})
        constants = dict(zip((output.name for output in self._sessions["query"].get_outputs()), values, strict=True))
        return joint_inputs(constants, query_ids(judged.query), [self._record(ids) for ids in judged.products])

    def hidden(self, query: Ids) -> npt.NDArray[np.float32]:
        """Hidden states (1, Lq, H) of a query."""
        states: npt.NDArray[np.float32] = self._sessions["encoder"].run(
            ["hidden"], encoder_inputs([query], self._pad_id)
        )[0]
        return states

    def _record(self, ids: Ids) -> ProductRecord:
        if ids not in self._records:
            (latents,) = self._sessions["encoder"].run(["latents"], encoder_inputs([ids], self._pad_id))
            (self._records[ids],) = records_of([ids], latents, [False])
        return self._records[ids]


def in_parts(judged: SplitList, sizes: Iterator[int]) -> Iterator[SplitList]:
    """The list in parts of these sizes, one after another."""
    start = 0
    while start < len(judged.products):
        part = judged.part(start, next(sizes))
        start += len(part.products)
        yield part
