"""The queue of admitted work, and the rule that cuts it into micro-batches. Pure: no asyncio, no clock.

The rule, in order:
1. Dead entries (deadline past, client gone, request failed) leave before anything is cut.
2. Entries of the most urgent priority go first. Among equals `FairClock` decides; within one slice of its
   time the earliest deadline goes first.
3. The first entry gives its longest waiting pair, then as many shorter ones as fit: longest × count
   stays within the token budget and every pair fills at least `row_fill` of its row. Where all are of one
   length and do not fit into one batch, they go in equal parts. So does an entry that finds the engine idle: as many
   parts for each session, until another entry waits beside it.
4. Room that is left goes to the next entries, of any priority, with pairs no longer than the longest.
5. A pair that the caller does not claim, since its score is known or on its way, takes no room.

An entry with a deadline is served in its own order, one window (`service.windows`) of about a batch after the other;
one that finds the engine idle and is not hurried, in parts of like lengths, whose order counts by every few of them.
Rows that a window leaves free go to pairs of like length in its later ones, before they go to other entries.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

from service.entry import DropReason, Entry
from service.fair_clock import FairClock
from service.windows import REACH, equal_parts, longest_first, ordered_parts, ordered_windows

LEAST_PART = 40
"""Tokens, some two pairs, for which a hand-over to a thread of their own is worth it."""

EntryT = TypeVar("EntryT", bound=Entry)
Claim = Callable[[EntryT, Sequence[int]], Sequence[int]]


def _all(_: Entry, rows: Sequence[int]) -> Sequence[int]:
    return rows


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """`tokens`: most padded tokens of a batch. `row_fill`: least part of a row that is no padding.

    Padding a short pair to a long row costs more than running it in a batch of its own as soon as a
    core is busy with one batch anyway, hence the floor on `row_fill`.
    """

    tokens: int
    row_fill: float = 0.75
    widths: Sequence[int] = ()
    """Lengths, ascending, that rows are padded to; empty: rows are as long as their longest pair."""
    slice_batches: int = 4
    """Batches' worth of fair time within which the earliest deadline goes first."""
    sessions: int = 1
    """Batches that run side by side, each on cores of its own."""

    def rows(self, longest: int) -> int:
        """Most pairs of a batch whose longest has so many tokens."""
        width = next((width for width in self.widths if width >= longest), longest)
        return max(1, self.tokens // width)

    def parts(self, lengths: Sequence[int]) -> int:
        """In how many equal parts pairs of these lengths go that find the engine idle: as many for each session.

        A full batch and a rest would leave cores idle beside the last one. 0: they go as they come, for there is
        too little to share, or one pair that is longer than a part.
        """
        tokens = sum(lengths)
        if self.sessions == 1 or tokens < self.sessions * LEAST_PART:
            return 0
        parts = self.sessions * -(-tokens // (self.sessions * self.tokens))
        return parts if parts * max(lengths) <= tokens else 0


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
        self._limits = limits
        self._tokens: Counter[int] = Counter()
        self._clocks: defaultdict[int, FairClock] = defaultdict(FairClock)
        self._entries: list[EntryT] = []
        self._pushed = 0

    @property
    def tokens(self) -> int:
        """Tokens that wait, of all priorities."""
        return self._tokens.total()

    def tokens_ahead(self, priority: int) -> int:
        """Tokens that wait in entries at least as urgent as `priority`."""
        return sum(tokens for level, tokens in self._tokens.items() if level <= priority)

    def push(self, entry: EntryT, rows: Sequence[int] | None = None, idle: bool = False) -> None:
        """Take in an entry's pairs, or only `rows` of them, at least one. `idle`: the engine has nothing to do.

        An entry that still waits keeps its place; the rows come behind those that it has.
        """
        rows = range(len(entry.lengths)) if rows is None else rows
        tokens = sum(entry.lengths[row] for row in rows)
        parts = self._limits.parts([entry.lengths[row] for row in rows]) if idle and not self._entries else 0
        for other in self._entries:
            other.shared = False
        entry.shared = parts > 0
        windows = self._windows(entry, rows, parts)
        if not entry.windows:
            self._enter(entry, tokens)
        entry.windows.extend(windows)
        self.pairs += len(rows)
        self._tokens[entry.priority] += tokens

    def drop_dead(self, now: float) -> list[Dropped[EntryT]]:
        """Remove and return the entries nobody waits for any more at time `now`."""
        dead = [entry for entry in self._entries if entry.dead is not None or entry.deadline <= now]
        dropped = [self._drop(entry, entry.dead or DropReason.DEADLINE) for entry in dead]
        self._forget_idle_levels()
        return dropped

    def next_batch(self, claim: Claim[EntryT] = _all) -> list[Share[EntryT]]:
        """Cut the next micro-batch; empty only if nothing waits.

        `claim(entry, rows)` is asked once for each pair before it is taken, and says which of them may be. A refused
        pair leaves the queue: whoever refused it sees to its score.
        """
        while self._entries:
            shares = self._cut(claim)
            self._entries = [entry for entry in self._entries if entry.windows]
            self._forget_idle_levels()
            if shares:
                return shares
        return []

    def _enter(self, entry: EntryT, tokens: int) -> None:
        entry.finish = self._clocks[entry.priority].enter(tokens)
        time_slice = entry.finish // (self._limits.tokens * self._limits.slice_batches)
        entry.sort_key = (entry.priority, time_slice, entry.deadline, entry.finish, self._pushed)
        insort(self._entries, entry, key=_sort_key)
        self._pushed += 1

    def _drop(self, entry: EntryT, reason: DropReason) -> Dropped[EntryT]:
        rows = list(entry.waiting())
        entry.windows.clear()
        self._entries.remove(entry)
        self._clocks[entry.priority].leave(entry.finish)
        self._count_out(entry, rows)
        return Dropped(entry, reason, len(rows))

    def _cut(self, claim: Claim[EntryT]) -> list[Share[EntryT]]:
        leader = self._entries[0]
        longest = leader.lengths[leader.windows[0][0]]
        room = self._room(leader, longest)
        shares: list[Share[EntryT]] = []
        for entry in self._entries:
            if rows := self._take(entry, longest, room, claim):
                shares.append(Share(entry, rows))
                room -= len(rows)
            if not room:
                break
        return shares

    def _room(self, leader: EntryT, longest: int) -> int:
        """How many pairs of `longest` tokens a batch that begins with `leader` may hold."""
        room, window = self._limits.rows(longest), leader.windows[0]
        if leader.shared:
            return min(room, len(window))
        if len(window) <= room or leader.lengths[window[-1]] != longest:
            return room
        # Equals are cut into equal parts: side by side they are done sooner than a full one and a rest.
        parts = -(-len(window) // room)
        return -(-len(window) // parts)

    def _windows(self, entry: EntryT, rows: Sequence[int], parts: int) -> list[list[int]]:
        lengths = entry.lengths
        if entry.order is None:
            window = longest_first(lengths, rows)
            return equal_parts(lengths, window, parts) if parts else [window]
        chosen = set(rows)
        order = [row for row in entry.order if row in chosen]
        if not parts:
            return ordered_windows(lengths, order, self._limits.tokens)
        # Its order counts where time runs out. What is expected to be whole gains more by like lengths.
        return (equal_parts if entry.hurried else ordered_parts)(lengths, order, parts)

    def _take(self, entry: EntryT, longest: int, room: int, claim: Claim[EntryT]) -> list[int]:
        """Take up to `room` claimed pairs whose length suits a row of `longest` tokens."""
        taken: list[int] = []
        shortest = longest * self._limits.row_fill
        for window in list(islice(entry.windows, 1 if entry.shared else REACH)):
            if entry.lengths[window[-1]] > longest or entry.lengths[window[0]] < shortest:
                continue
            start = bisect_left(window, -longest, key=lambda row: -entry.lengths[row])
            end = bisect_right(window, -shortest, lo=start, key=lambda row: -entry.lengths[row])
            stop = start
            while stop < end and len(taken) < room:
                asked = window[stop : min(end, stop + room - len(taken))]
                taken += claim(entry, asked)
                stop += len(asked)
            # A refused pair counts as served too: its entry is no longer due for it.
            self._clocks[entry.priority].serve(self._count_out(entry, window[start:stop]))
            del window[start:stop]
            if not window:
                entry.windows.remove(window)
            if len(taken) == room:
                break
        return taken

    def _count_out(self, entry: EntryT, rows: Sequence[int]) -> int:
        """Note that these rows wait no more; returns their tokens."""
        tokens = sum(entry.lengths[row] for row in rows)
        self.pairs -= len(rows)
        self._tokens[entry.priority] -= tokens
        return tokens

    def _forget_idle_levels(self) -> None:
        """Let the clock of a priority start anew when nothing of it waits."""
        for level in [level for level, tokens in self._tokens.items() if not tokens]:
            del self._tokens[level], self._clocks[level]


def _sort_key(entry: Entry) -> tuple[int, float, float, float, int]:
    return entry.sort_key
