"""The ceiling of a split student: its joint graph driven directly, with queries and records computed beforehand."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from loadtest.raw_session import Drive, cpu_session, fastest
from loadtest.workload import Body
from relevance.bundle import SPLIT_PARTS, Bundle, Precision
from relevance.product import Product
from relevance.product_record import ProductRecord
from relevance.split_graphs import JOINT_OUTPUT
from relevance.split_inputs import Feed, encoder_inputs, joint_inputs, query_ids, records_of

PARTS = (1, 2, 4)
"""Into how many runs a list is cut, by length: less padding for more runs."""


@dataclass(frozen=True, slots=True)
class _List:
    """A query's side of the joint graph, and the records of its products."""

    constants: Mapping[str, npt.NDArray[Any]]
    ids: npt.NDArray[np.int64]
    records: Sequence[ProductRecord]

    @property
    def feed(self) -> Feed:
        return joint_inputs(self.constants, self.ids, self.records)

    def parts(self, size: int) -> list[Feed]:
        ordered = sorted(self.records, key=len)
        starts = range(0, len(ordered), size)
        return [joint_inputs(self.constants, self.ids, ordered[start : start + size]) for start in starts]


class RawSplit:
    """The joint graph, and the lists of `bodies`."""

    def __init__(self, bundle: Bundle, bodies: Sequence[Body], precision: Precision = "int8") -> None:
        paths = {part: bundle.split_path(precision, part) for part in SPLIT_PARTS}
        self._joint = paths["joint"]
        self._rule = bundle.pair_encoder()
        self._encoder, self._query = (cpu_session(paths[part], 1) for part in ("encoder", "query"))
        self._lists = [self._list(body) for body in bodies]

    def ceiling(self, trial_seconds: float) -> Drive:
        """A worker of one thread for each core, running lists whole or in parts of like length: what is fastest.

        All lists are of one length.
        """
        whole = len(self._lists[0].records)
        # A run of one pair would have a second row that nobody asked for.
        sizes = [whole // parts for parts in PARTS if whole % parts == 0 and whole > parts]
        return fastest([self._drive(size) for size in sizes], trial_seconds)

    def _drive(self, size: int) -> Drive:
        feeds = [part for each in self._lists for part in each.parts(size)]
        # In the order of their lengths, a measurement shorter than all of them would be one of short products.
        random.Random(0).shuffle(feeds)
        return Drive(cpu_session(self._joint, 1), len(os.sched_getaffinity(0)), 1, feeds, rows="product_latents")

    def logits(self) -> list[npt.NDArray[np.float32]]:
        """Logits (n,) of each body's candidates."""
        session = cpu_session(self._joint, 1)
        # A lone candidate stands twice in its feed.
        return [
            np.asarray(session.run([JOINT_OUTPUT], each.feed)[0], dtype=np.float32).reshape(-1)[: len(each.records)]
            for each in self._lists
        ]

    def runs(self) -> list[Callable[[], object]]:
        """A run of one thread for each of the bodies."""
        session = cpu_session(self._joint, 1)
        return [partial(session.run, None, each.feed) for each in self._lists]

    def _list(self, body: Mapping[str, Any]) -> _List:
        (query,) = (self._rule.alone(text) for text in self._rule.encode_queries([body["query"]]))
        products = [Product.model_validate(candidate) for candidate in body["candidates"]]
        texts = [self._rule.alone(text) for text in self._rule.encode_products(products)]
        (hidden,) = self._encoder.run(["hidden"], encoder_inputs([query], self._rule.pad_id))
        values = self._query.run(None, {"hidden": hidden})
        constants = dict(zip((output.name for output in self._query.get_outputs()), values, strict=True))
        records = []
        for ids in texts:
            (latents,) = self._encoder.run(["latents"], encoder_inputs([ids], self._rule.pad_id))
            records += records_of([ids], latents, [False])
        return _List(constants, query_ids(query), records)
