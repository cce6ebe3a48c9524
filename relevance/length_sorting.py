"""Which texts are padded together, where many are run at once."""

from __future__ import annotations

from collections.abc import Sequence


def length_sorted_batches(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Row numbers, longest first, in batches of at most `most_tokens` padded tokens: longest × count.

    `lengths` (n,) are in tokens, special ones included. A row that is longer than a batch may be has one of its own.
    """
    order = sorted(range(len(lengths)), key=lambda row: lengths[row], reverse=True)
    batches: list[list[int]] = []
    start = 0
    while start < len(order):
        count = max(1, most_tokens // max(1, lengths[order[start]]))
        batches.append(order[start : start + count])
        start += count
    return batches
