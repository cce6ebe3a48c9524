"""In which order an entry's pairs are served: windows of pairs, one after the other, inside each the longest first.

Pairs of like length fill a micro-batch without padding, so without a deadline all are one window. With one, what
matters most is to be scored when time runs out: a window is then about a batch of what comes next in the entry's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

REACH = 4
"""Windows of an entry in which pairs are looked for that suit a row: so far the order gives way to like lengths."""


def ordered_windows(lengths: Sequence[int], order: Sequence[int], tokens: int) -> list[list[int]]:
    """`order`, whose pairs have these `lengths`, in windows of at most so many tokens, or of one pair."""
    windows: list[list[int]] = []
    room = 0
    for row in order:
        if not windows or room < lengths[row]:
            windows.append([])
            room = tokens
        windows[-1].append(row)
        room -= lengths[row]
    return [longest_first(lengths, window) for window in windows]


def ordered_parts(lengths: Sequence[int], order: Sequence[int], parts: int) -> list[list[int]]:
    """`order` in at most `parts` windows of about as many tokens each, of like lengths as far as `REACH` allows."""
    reaches = equal_parts(lengths, order, -(-parts // REACH))
    return equal_parts(lengths, [row for reach in reaches for row in longest_first(lengths, reach)], parts)


def equal_parts(lengths: Sequence[int], rows: Sequence[int], parts: int) -> list[list[int]]:
    """`rows` in at most `parts` runs of about as many tokens each, inside each the longest first.

    A row goes to the run in which its middle lies.
    """
    total, before = sum(lengths[row] for row in rows), 0
    cut: list[list[int]] = [[] for _ in range(parts)]
    for row in rows:
        cut[(2 * before + lengths[row]) * parts // (2 * total)].append(row)
        before += lengths[row]
    return [longest_first(lengths, part) for part in cut if part]


def longest_first(lengths: Sequence[int], rows: Iterable[int]) -> list[int]:
    """`rows`, those of one length in the order in which they come."""
    return sorted(rows, key=lambda row: -lengths[row])
