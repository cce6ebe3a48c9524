"""What a pair costs, and what share of the machine's ceiling that is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Bucket = tuple[int, int]
"""Pairs, and tokens of each."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of a BERT."""

    layers: int
    hidden: int
    intermediate: int


def flop_per_pair(shape: Shape, length: int) -> int:
    """What one logit needs of a pair of `length` tokens, products of matrices alone.

    Of the last layer the logit needs one row, and keys and values of all tokens. A graph that computes more gets no
    credit for it, so a share of the ceiling is never flattered.
    """
    hidden, rows = shape.hidden, length
    keys_and_values = 2 * 2 * hidden * hidden
    # Query and output projections, the feed-forward's two, and scores and mixing over all tokens.
    of_a_row = 2 * 2 * hidden * hidden + 2 * 2 * hidden * shape.intermediate + 2 * 2 * length * hidden
    whole = rows * (keys_and_values + of_a_row)
    last = rows * keys_and_values + of_a_row
    return (shape.layers - 1) * whole + last + 2 * hidden * hidden


def utilisation(pairs_per_second: float, flop: int, ceiling_tflops: float) -> float:
    """Share of the ceiling that so many pairs a second use."""
    return round(pairs_per_second * flop / (ceiling_tflops * 1e12), 4)


def bucket_name(bucket: Bucket) -> str:
    """As in `128x32`."""
    return f"{bucket[0]}x{bucket[1]}"


def best_at(length: int, pairs_per_second: Mapping[Bucket, float]) -> float | None:
    """The most pairs per second of the buckets of that length; None if there are none."""
    return max((speed for bucket, speed in pairs_per_second.items() if bucket[1] == length), default=None)
