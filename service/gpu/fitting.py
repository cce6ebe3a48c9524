"""The shapes that a graph runs in, as far as the device has memory for them.

A shape for which the device has none is given up with all that are as large, and what should have run in it is run in
smaller ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from relevance.runtime_errors import in_short
from service.errors import BackendError
from service.gpu.faults import Fault, fault_of
from service.gpu.shapes import Cut, Shape, Shapes

logger = logging.getLogger(__name__)

WARM_RUNS = 3
"""Runs of a shape before requests come: memory is laid out in the first, CUDA graphs are captured after it."""

ResultT = TypeVar("ResultT")


class FittingShapes:
    """The shapes of one graph; `splits` counts the runs that had to be made in smaller ones than meant."""

    def __init__(self, shapes: Shapes) -> None:
        """BackendError if there is no shape to run in."""
        if shapes.largest is None:
            raise BackendError("there is no shape to run in; set AISLE_BUCKETS=off. This is a bug.")
        self.left = shapes
        self.splits = 0

    def warm(self, run: Callable[[Shape], object]) -> None:
        """Run every shape; BackendError if one fails, but for want of memory: that shape is given up."""
        # The largest come first: what they leave in the arena suffices for all others.
        for shape in self.left:
            if shape not in set(self.left):
                continue
            try:
                for _ in range(WARM_RUNS):
                    run(shape)
            except Exception as error:
                raise BackendError(
                    f"the model fails on {shape.pairs} rows of {shape.length} tokens: {error}"
                ) from error

    def run(self, longest: int, rows: int, run: Callable[[Cut], ResultT]) -> list[ResultT]:
        """What `run` gives for the parts of `rows` rows, the longest of so many tokens, in order.

        It raises what `run` raises; for want of memory only where nothing smaller is left.
        """
        parts: list[ResultT] = []
        done = 0
        while done < rows:
            first = self.left.cut(longest, rows - done)[0]
            cut = Cut(done, done + first.stop, first.shape)
            try:
                parts.append(run(cut))
            except Exception as error:
                self._give_up(cut.shape, error)
                continue
            done = cut.stop
        return parts

    def _give_up(self, shape: Shape, error: Exception) -> None:
        """Do without `shape` and larger ones; raises `error` unless memory is what lacks and something smaller is left.

        The fewest rows of a length are run in their shape again: whatever took the memory may be gone by then.
        """
        smaller = self.left.without(shape)
        if fault_of(error) is not Fault.MEMORY or shape.length not in smaller.lengths:
            raise error
        self.splits += 1
        if shape in set(self.left):
            fields = {**shape._asdict(), "left": len(list(smaller)), "error": in_short(error)}
            logger.warning("the GPU has no memory for this shape, going on with smaller ones", extra={"fields": fields})
            self.left = smaller
