"""The queue of admitted work, and the rule that cuts it into micro-batches. Pure: no asyncio, no clock.

The rule, in order:
1. Dead entries (deadline past, client gone, request failed) leave before anything is cut.
2. Entries are served by `FairClock`; within one slice of that time the earliest deadline goes first.
3. The first entry gives its longest waiting pair, then as many shorter ones as fit: longest × count
   stays within the token budget and every pair fills at least `row_fill` of its row.
4. Room that is left goes to the next entries, with pairs no longer than the longest.

An entry with a deadline is served in its own order, one window of about a batch after the other, so
that what matters most is scored when time runs out; inside a window, as elsewhere, longest first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Generic, TypeVar

from service.fair_clock import FairClock


class DropReason(StrEnum):
    """Why work was thrown away unscored."""

    DEADLINE = "deadline"
    DISCONNECTED = "disconnected"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(slots=True, eq=False, kw_only=True)
class Entry:
    """One request's pairs. `lengths[i]` is the token count of pair i, `deadline` is in the caller's clock.

    `order` lists pair indexes in the order to serve; None leaves the order to the queue. Whoever pushed
    the entry sets `dead` when its result is no longer wanted.
    """

    lengths: Sequence[int]
    order: Sequence[int] | None = None
    deadline: float = inf
    dead: DropReason | None = None
    windows: deque[list[int]] = field(default_factory=deque, init=False)
    finish: float = field(default=0.0, init=False)
    sort_key: tuple[float, float, float, int] = field(default=(0.0, 0.0, 0.0, 0), init=False)

    def waiting(self) -> Iterable[int]:
        """Pair indexes not yet taken."""
        return (row for window in self.windows for row in window)


EntryT = TypeVar("EntryT", bound=Entry)


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`tokens`: most padded tokens of a batch. `row_fill`: least part of a row that is no padding.

    Padding a short pair to a long row costs more than running it in a batch of its own as soon as a
    core is busy with one batch anyway, hence the floor on `row_fill`.
    """

    tokens: int
    row_fill: float = 0.75
    slice_batches: int = 4
    """Batches' worth of fair time within which the earliest deadline goes first."""


@dataclass(frozen=True, slots=True)
class Share(Generic[EntryT]):
    """The part of a batch that belongs to one entry."""

    entry: EntryT
    rows: list[int]


@dataclass(frozen=True, slots=True)
class Dropped(Generic[EntryT]):
    """An entry that left the queue unfinished, with the number of pairs that were never served."""

    entry: EntryT
    reason: DropReason
    pairs: int


class BatchQueue(Generic[EntryT]):
    """Entries waiting for the engine. `pairs` and `tokens` (unpadded) are what waits now."""

    def __init__(self, limits: BatchLimits) -> None:
        self.pairs = 0
        self.tokens = 0
        self._limits = limits
        self._clock = FairClock()
        self._entries: list[EntryT] = []
        self._pushed = 0

    def push(self, entry: EntryT) -> None:
        """Take an entry of at least one pair in."""
        tokens = sum(entry.lengths)
        entry.windows = self._windows(entry)
        entry.finish = self._clock.enter(tokens)
        time_slice = entry.finish // (self._limits.tokens * self._limits.slice_batches)
        entry.sort_key = (time_slice, entry.deadline, entry.finish, self._pushed)
        insort(self._entries, entry, key=_sort_key)
        self._pushed += 1
        self.pairs += len(entry.lengths)
        self.tokens += tokens

    def drop_dead(self, now: float) -> list[Dropped[EntryT]]:
        """Remove and return the entries nobody waits for any more at time `now`."""
        dropped = []
        for entry in [entry for entry in self._entries if entry.dead is not None or entry.deadline <= now]:
            rows = list(entry.waiting())
            self._entries.remove(entry)
            self._clock.leave(entry.finish)
            self._count_out(entry, rows)
            dropped.append(Dropped(entry, entry.dead or DropReason.DEADLINE, len(rows)))
        self._reset_if_empty()
        return dropped

    def next_batch(self) -> list[Share[EntryT]]:
        """Cut the next micro-batch; empty only if nothing waits."""
        if not self._entries:
            return []
        leader = self._entries[0]
        longest = leader.lengths[leader.windows[0][0]]
        room = max(1, self._limits.tokens // longest)
        shares: list[Share[EntryT]] = []
        for entry in self._entries:
            if rows := self._take(entry, longest, room):
                shares.append(Share(entry, rows))
                room -= len(rows)
            if not room:
                break
        for share in shares:
            self._count_out(share.entry, share.rows)
        self._entries = [entry for entry in self._entries if entry.windows]
        self._clock.serve(sum(share.entry.lengths[row] for share in shares for row in share.rows))
        self._reset_if_empty()
        return shares

    def _windows(self, entry: EntryT) -> deque[list[int]]:
        def longest_first(rows: Iterable[int]) -> list[int]:
            return sorted(rows, key=lambda row: -entry.lengths[row])

        if entry.order is None:
            return deque([longest_first(range(len(entry.lengths)))])
        windows: deque[list[int]] = deque()
        room = 0
        for row in entry.order:
            if not windows or room < entry.lengths[row]:
                windows.append([])
                room = self._limits.tokens
            windows[-1].append(row)
            room -= entry.lengths[row]
        return deque(longest_first(window) for window in windows)

    def _take(self, entry: EntryT, longest: int, room: int) -> list[int]:
        """Take up to `room` pairs whose length suits a row of `longest` tokens."""
        taken: list[int] = []
        shortest = longest * self._limits.row_fill
        while entry.windows and len(taken) < room:
            window = entry.windows[0]
            start = bisect_left(window, -longest, key=lambda row: -entry.lengths[row])
            stop = start
            last = min(len(window), start + room - len(taken))
            while stop < last and entry.lengths[window[stop]] >= shortest:
                stop += 1
            taken += window[start:stop]
            del window[start:stop]
            if window:
                break
            entry.windows.popleft()
        return taken

    def _count_out(self, entry: EntryT, rows: Sequence[int]) -> None:
        self.pairs -= len(rows)
        self.tokens -= sum(entry.lengths[row] for row in rows)

    def _reset_if_empty(self) -> None:
        if not self._entries:
            self._clock.reset()


def _sort_key(entry: Entry) -> tuple[float, float, float, int]:
    return entry.sort_key
