"""The few shapes that micro-batches are padded to. Pure.

A GPU wants the same shapes again: kernels are chosen, memory is laid out and CUDA graphs are captured by shape.
So widths and rows come from short ladders, whose steps bound what padding costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LENGTH_MULTIPLE = 8
"""Tensor cores work on eights."""
SHORTEST_ROW = 16


class Shape(NamedTuple):
    """`pairs` rows of `length` tokens."""

    pairs: int
    length: int

    @property
    def tokens(self) -> int:
        """All of them, padding included."""
        return self.pairs * self.length


class Cut(NamedTuple):
    """The pairs from `start` to `stop` run in `shape`."""

    start: int
    stop: int
    shape: Shape


@dataclass(frozen=True, slots=True)
class Ladders:
    """Widths and rows that are wished for; empty ones are chosen."""

    lengths: Sequence[int] = ()
    pairs: Sequence[int] = ()


class NoShapeError(ValueError):
    """No shape is as long as a pair."""


class Shapes:
    """A set of shapes, and which of them a micro-batch runs in."""

    def __init__(self, shapes: Iterable[Shape]) -> None:
        self._rows: dict[int, list[int]] = {}
        for shape in sorted(set(shapes)):
            self._rows.setdefault(shape.length, []).append(shape.pairs)
        self.lengths = tuple(sorted(self._rows))

    def __iter__(self) -> Iterator[Shape]:
        """All shapes, those of most tokens first."""
        shapes = [Shape(pairs, length) for length, rows in self._rows.items() for pairs in rows]
        yield from sorted(shapes, key=lambda shape: (-shape.tokens, shape))

    @property
    def largest(self) -> Shape | None:
        """The shape of most tokens, None if there is no shape at all."""
        return next(iter(self), None)

    def without(self, failed: Shape) -> Shapes:
        """The shapes that are smaller than one that did not fit the device's memory."""
        return Shapes(shape for shape in self if shape.tokens < failed.tokens)

    def cut(self, longest: int, pairs: int) -> list[Cut]:
        """How `pairs` pairs, the longest of so many tokens, are run: in one shape, or in several if none is as large.

        NoShapeError if no shape is as long.
        """
        length = next((length for length in self.lengths if length >= longest), None)
        if length is None:
            raise NoShapeError(f"no shape is as long as {longest} tokens")
        rows = self._rows[length]
        starts = range(0, pairs, rows[-1])
        return [self._cut_of(start, min(start + rows[-1], pairs), length) for start in starts]

    def _cut_of(self, start: int, stop: int, length: int) -> Cut:
        rows = next(rows for rows in self._rows[length] if rows >= stop - start)
        return Cut(start, stop, Shape(rows, length))


def make_shapes(longest: int, tokens: int, ladders: Ladders) -> Shapes:
    """Shapes for pairs of up to `longest` tokens in micro-batches of up to `tokens`; one pair alone always has one."""
    lengths = _lengths(longest, ladders.lengths)
    return Shapes(
        Shape(pairs, length) for length in lengths for pairs in _pairs(max(1, tokens // length), ladders.pairs)
    )


def make_grid(longest: int, most_pairs: int, ladders: Ladders) -> Shapes:
    """Shapes for pairs of up to `longest` tokens, up to `most_pairs` of them whatever their length."""
    lengths, pairs = _lengths(longest, ladders.lengths), _pairs(most_pairs, ladders.pairs)
    return Shapes(Shape(count, length) for length in lengths for count in pairs)


def _lengths(longest: int, wished: Sequence[int]) -> list[int]:
    # The longest pair must have a row, whatever was wished for.
    end = -(-longest // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
    if wished:
        return sorted({length for length in wished if length < longest} | {min([*_at_least(wished, longest), end])})
    return sorted({step for step in _steps(SHORTEST_ROW, end) if step < end} | {end})


def _at_least(values: Sequence[int], least: int) -> list[int]:
    return [value for value in values if value >= least]


def _pairs(most: int, wished: Sequence[int]) -> list[int]:
    steps = wished or [1, 2, 4, *_steps(8, most)]
    # A full micro-batch has a shape that it fills; one pair alone never pays for more.
    return sorted({1, most, *(step for step in steps if step < most)})


def _steps(first: int, end: int) -> list[int]:
    """`first`, 1.5 × `first`, 2 ×, 3 ×, 4 × … up to `end`: each a third or half larger than the one before."""
    steps = [first]
    while steps[-1] < end:
        steps += [steps[-1] * 3 // 2, steps[-1] * 2]
    return steps
