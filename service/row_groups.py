"""Which rows of a micro-batch share a run of the graph. Pure.

On a CPU a run costs little beside its tokens, padding as much as any token: rows of 20 tokens are cheaper in a run of
their own than padded to 32 beside longer ones. What a batch saves is the hand-over to a thread, not runs of the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

RUN_TOKENS = 3
"""What a run costs beside its tokens, in tokens: 0.08 ms in ONNX Runtime and 0.05 around it, at 50 µs a token of six
layers. Where tokens are cheaper a run costs more of them; between 1 and 10 little depends on it."""

Grouping = Callable[[Sequence[int]], list[list[int]]]
"""From the lengths of rows to the rows of each run."""


def one_group(lengths: Sequence[int]) -> list[list[int]]:
    """All rows in one run: on a GPU padding is cheaper than another launch of every kernel."""
    return [list(range(len(lengths)))]


def grouping_for(on_gpu: bool) -> Grouping:
    """How a micro-batch is run on that kind of device."""
    return one_group if on_gpu else row_groups


def row_groups(lengths: Sequence[int], run_tokens: int = RUN_TOKENS) -> list[list[int]]:
    """Rows of each run, longest first: together the fewest of rows × longest of the run, and `run_tokens` a run."""
    ordered = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    # Rows of one length are never parted: that saves nothing.
    steps = [list(rows) for _, rows in groupby(ordered, key=lambda row: lengths[row])]
    cheapest, begins = [0], [0]
    for stop in range(1, len(steps) + 1):
        rows, best, begin = 0, -1, 0
        for start in range(stop - 1, -1, -1):
            rows += len(steps[start])
            cost = cheapest[start] + rows * lengths[steps[start][0]] + run_tokens
            if best < 0 or cost < best:
                best, begin = cost, start
        cheapest.append(best)
        begins.append(begin)
    groups: list[list[int]] = []
    stop = len(steps)
    while stop:
        groups.append([row for step in steps[begins[stop] : stop] for row in step])
        stop = begins[stop]
    return groups[::-1]
