"""Cutting a batch into parts of whole queries whose losses add up to the batch's own.

Losses are means over pairs or over queries, so parts carry the counts of the whole batch to divide by.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from training.optimise.batches import Batch, Counts


def micro_batches(batch: Batch, pairs: int | None, process: int = 0, processes: int = 1) -> list[Batch]:
    """The parts of `batch` that `process` of 0 … `processes` − 1 goes through, of at most `pairs` pairs each.

    None: the process takes its share at once. A query with more pairs is a part by itself. The shares
    hold about the same number of pairs; of a batch with fewer queries than processes some get nothing.
    """
    sizes = torch.bincount(batch.group)
    ends = sizes.cumsum(0)
    # A query belongs to the process in whose share of the rows its middle lies.
    owner = (2 * ends - sizes) * processes // (2 * len(batch))
    spans = zip((ends - sizes).tolist(), ends.tolist(), owner.tolist(), strict=True)
    mine = [(start, end) for start, end, of in spans if start < end and of == process]
    parts = list(_joined(mine, pairs))
    if parts == [(0, len(batch))]:
        return [batch]
    whole = Counts(len(batch), int((sizes > 1).sum()))
    return [replace(_rows(batch, start, end), whole=whole) for start, end in parts]


def _joined(spans: list[tuple[int, int]], most: int | None) -> Iterator[tuple[int, int]]:
    """Neighbouring row spans joined up to `most` rows."""
    start, last = -1, -1
    for first, end in spans:
        if start >= 0 and most is not None and end - start > most:
            yield start, last
            start = -1
        start, last = (first if start < 0 else start), end
    if start >= 0:
        yield start, last


def _rows(batch: Batch, start: int, end: int) -> Batch:
    """Rows `start` … `end` − 1, without the columns that are padding in all of them, queries numbered from 0."""
    used = batch.attention_mask[start:end].any(0).nonzero()
    rows, columns = slice(start, end), slice(int(used.min()), int(used.max()) + 1)
    return replace(
        batch,
        input_ids=batch.input_ids[rows, columns],
        attention_mask=batch.attention_mask[rows, columns],
        token_type_ids=batch.token_type_ids[rows, columns],
        targets=batch.targets[rows],
        group=batch.group[rows] - batch.group[start],
        human=batch.human[rows],
        auxiliary=batch.auxiliary[rows],
    )
