from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.batch_queue import BatchLimits, BatchQueue, Share
from service.entry import DropReason, Entry
from service.fair_clock import MAX_SHARERS

LIMITS = BatchLimits(tokens=64)

lengths_lists = st.lists(st.lists(st.integers(1, 80), min_size=1, max_size=30), min_size=1, max_size=8)


def make_queue(*entries: Entry, limits: BatchLimits = LIMITS) -> BatchQueue[Entry]:
    queue: BatchQueue[Entry] = BatchQueue(limits)
    for entry in entries:
        queue.push(entry)
    return queue


def drain(queue: BatchQueue[Entry]) -> list[list[Share[Entry]]]:
    batches = []
    while batch := queue.next_batch():
        batches.append(batch)
    return batches


def batch_lengths(batch: Sequence[Share[Entry]]) -> list[int]:
    return [share.entry.lengths[row] for share in batch for row in share.rows]


@given(lengths_lists, st.booleans(), st.integers(1, 4))
def test_nothing_is_lost_and_nothing_comes_twice(lengths: list[list[int]], ordered: bool, sessions: int) -> None:
    entries = [Entry(lengths=item, order=range(len(item)) if ordered else None) for item in lengths]
    served: Counter[tuple[int, int]] = Counter()
    queue = make_queue(limits=BatchLimits(tokens=64, sessions=sessions))
    for entry in entries:
        queue.push(entry, idle=True)
    for batch in drain(queue):
        served.update((entries.index(share.entry), row) for share in batch for row in share.rows)
    assert served == Counter({(index, row): 1 for index, item in enumerate(lengths) for row in range(len(item))})


@given(lengths_lists, st.integers(1, 4))
def test_a_batch_stays_within_the_budget_unless_it_is_one_long_pair(lengths: list[list[int]], sessions: int) -> None:
    queue = make_queue(limits=BatchLimits(tokens=64, sessions=sessions))
    for item in lengths:
        queue.push(Entry(lengths=item), idle=True)
    for batch in drain(queue):
        found = batch_lengths(batch)
        assert max(found) * len(found) <= LIMITS.tokens or len(found) == 1


def test_equals_that_do_not_fit_into_one_batch_go_in_equal_parts() -> None:
    limits = BatchLimits(tokens=12)
    parts = [len(batch_lengths(batch)) for batch in drain(make_queue(Entry(lengths=[2] * 14), limits=limits))]
    assert parts == [5, 5, 4]
    # What fits leaves its room to others, and shorter pairs behind longer ones may yet find more room.
    small = drain(make_queue(Entry(lengths=[2] * 3), Entry(lengths=[2]), limits=limits))
    assert [len(batch) for batch in small] == [2]
    mixed = drain(make_queue(Entry(lengths=[4, 4, 4, 3]), limits=limits))
    assert [batch_lengths(batch) for batch in mixed] == [[4, 4, 4], [3]]


@pytest.mark.parametrize(
    ("lengths", "sessions", "batches"),
    [
        ([26] * 10, 2, [5, 5]),
        ([26] * 50, 2, [8, 9, 8, 8, 9, 8]),
        ([26] * 50, 4, [6, 6, 7, 6, 6, 6, 7, 6]),
        ([26, 26, 26], 2, [3]),
        ([26] * 4, 4, [4]),
        ([30] * 6, 4, [1, 2, 1, 2]),
        ([40, 35, 33, 32, 30, 30], 2, [3, 3]),
        ([90], 2, [1]),
        ([100, 20], 2, [1, 1]),
        ([80, 20, 20, 20, 20], 2, [1, 4]),
    ],
)
def test_an_entry_that_finds_the_engine_idle_goes_in_equal_parts_to_all_sessions(
    lengths: list[int], sessions: int, batches: list[int]
) -> None:
    queue = make_queue(limits=BatchLimits(tokens=256, sessions=sessions))
    queue.push(Entry(lengths=lengths), idle=True)
    assert [len(batch_lengths(batch)) for batch in drain(queue)] == batches
    queue.push(Entry(lengths=lengths, order=range(len(lengths)), hurried=True), idle=True)
    ordered = [sorted(row for share in batch for row in share.rows) for batch in drain(queue)]
    assert [len(rows) for rows in ordered] == batches
    assert [row for rows in ordered for row in rows] == list(range(len(lengths)))


def test_what_finds_the_engine_idle_and_is_expected_to_be_whole_goes_in_parts_of_like_lengths() -> None:
    def batches(hurried: bool) -> list[list[int]]:
        queue = make_queue(limits=BatchLimits(tokens=256, sessions=2))
        entry = Entry(lengths=[30, 15] * 4, order=range(8), deadline=9.0, hurried=hurried)
        queue.push(entry, idle=True)
        return [sorted(row for share in batch for row in share.rows) for batch in drain(queue)]

    assert batches(hurried=False) == [[0, 2, 4], [6], [1, 3, 5, 7]]
    # Where time is expected to run out, the first half of the order goes first.
    assert batches(hurried=True) == [[0, 2], [1, 3], [4, 6], [5, 7]]


def test_an_entry_that_finds_others_running_or_waiting_goes_in_full_batches() -> None:
    def sizes(idle: bool, others: int) -> list[int]:
        queue = make_queue(limits=BatchLimits(tokens=256, sessions=2))
        queue.push(Entry(lengths=[26] * 11 + [25]), idle=idle)
        for _ in range(others):
            queue.push(Entry(lengths=[10] * 99))
        return [len(queue.next_batch()[0].rows) for _ in range(2)]

    assert sizes(idle=True, others=0) == [6, 6]
    assert sizes(idle=False, others=0) == [9, 3]
    assert sizes(idle=True, others=1) == [9, 3]


def test_an_entry_that_others_overtook_goes_on_in_full_batches() -> None:
    queue = make_queue(limits=BatchLimits(tokens=256, sessions=2))
    queue.push(Entry(lengths=[26] * 11 + [25], priority=1), idle=True)
    queue.push(Entry(lengths=[200]), idle=True)
    assert [len(batch_lengths(queue.next_batch())) for _ in range(3)] == [1, 9, 3]


@given(lengths_lists)
def test_every_pair_fills_its_row(lengths: list[list[int]]) -> None:
    for batch in drain(make_queue(*(Entry(lengths=item) for item in lengths))):
        found = batch_lengths(batch)
        assert min(found) >= LIMITS.row_fill * max(found)


@given(lengths_lists)
def test_depth_is_what_waits(lengths: list[list[int]]) -> None:
    queue = make_queue(*(Entry(lengths=item) for item in lengths))
    waiting = Counter(length for item in lengths for length in item)
    while batch := queue.next_batch():
        waiting -= Counter(batch_lengths(batch))
        assert queue.pairs == waiting.total()
        assert queue.tokens == sum(length * count for length, count in waiting.items())


def test_an_empty_queue_gives_an_empty_batch() -> None:
    assert make_queue().next_batch() == []


def test_pairs_of_several_entries_share_a_batch() -> None:
    batch = make_queue(*(Entry(lengths=[16]) for _ in range(6))).next_batch()
    assert len(batch) == 4


def test_room_is_not_filled_with_pairs_that_would_widen_the_rows() -> None:
    short, long = Entry(lengths=[10]), Entry(lengths=[20])
    batch = make_queue(short, long).next_batch()
    assert [share.entry for share in batch] == [short]


def test_equals_are_served_one_after_the_other() -> None:
    first, second = (Entry(lengths=[32] * 8) for _ in range(2))
    served = [share.entry for batch in drain(make_queue(first, second)) for share in batch]
    assert served == [first] * 4 + [second] * 4


def test_a_small_entry_overtakes_a_big_one() -> None:
    big = Entry(lengths=[32] * 1000)
    queue = make_queue(big)
    queue.next_batch()
    small = Entry(lengths=[32])
    queue.push(small)
    # Within the slice in which deadlines may reorder, plus the batch being cut.
    first_batches = [queue.next_batch() for _ in range(2)]
    assert any(share.entry is small for batch in first_batches for share in batch)


def test_a_flood_of_small_entries_does_not_starve_a_big_one() -> None:
    big = Entry(lengths=[32] * 20)
    queue = make_queue(big)
    served = 0
    slack = LIMITS.tokens * (LIMITS.slice_batches + 2) * MAX_SHARERS
    while list(big.waiting()):
        queue.push(Entry(lengths=[32, 32]))
        served += sum(batch_lengths(queue.next_batch()))
        assert served <= 32 * 20 * (MAX_SHARERS + 1) + slack


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(1, 60), st.integers(0, 40))
def test_a_newcomer_waits_for_its_fair_share_and_no_longer(others: list[int], own: int, already: int) -> None:
    queue = make_queue(*(Entry(lengths=[32] * count) for count in others))
    for _ in range(already):
        queue.next_batch()
    newcomer = Entry(lengths=[32] * own)
    queue.push(newcomer)
    waited = 0
    while list(newcomer.waiting()):
        waited += sum(batch_lengths(queue.next_batch()))
    sharers = len(others) + 1
    slack = LIMITS.tokens * (LIMITS.slice_batches * sharers + 1)
    assert waited <= 32 * own * sharers + slack


def test_within_a_slice_the_earliest_deadline_goes_first() -> None:
    late, soon, never = Entry(lengths=[60], deadline=9.0), Entry(lengths=[60], deadline=5.0), Entry(lengths=[60])
    served = [batch[0].entry for batch in drain(make_queue(never, late, soon))]
    assert served == [soon, late, never]


def test_a_deadline_does_not_put_a_big_entry_before_small_ones() -> None:
    big, small = Entry(lengths=[32] * 100, deadline=1.0), Entry(lengths=[32])
    assert make_queue(big, small).next_batch()[0].entry is small


def test_an_ordered_entry_is_served_in_its_order_window_by_window() -> None:
    lengths = [10, 30, 20, 25, 30, 9]
    entry = Entry(lengths=lengths, order=[5, 3, 1, 0, 2, 4], deadline=1.0)
    served = [set(share.rows) for batch in drain(make_queue(entry)) for share in batch]
    position = {row: index for index, rows in enumerate(served) for row in rows}
    # Windows of 64 tokens: 9+25+30, then 10+20+30.
    assert max(position[row] for row in (5, 3, 1)) < min(position[row] for row in (0, 2, 4))


def test_rows_that_a_window_leaves_free_go_to_later_windows_before_other_entries() -> None:
    # Windows of 64 tokens: 30+10+10+14, then 28+9.
    entry, other = Entry(lengths=[30, 10, 10, 14, 28, 9], order=range(6), deadline=1.0), Entry(lengths=[30])
    first, *rest = drain(make_queue(entry, other))
    assert [(share.entry, share.rows) for share in first] == [(entry, [0, 4])]
    assert [row for batch in rest for share in batch if share.entry is entry for row in share.rows][-1] == 5


def test_a_part_for_a_session_takes_nothing_of_another_sessions() -> None:
    queue: BatchQueue[Entry] = BatchQueue(BatchLimits(tokens=64, sessions=2))
    entry = Entry(lengths=[16] * 8)
    queue.push(entry, idle=True)
    # One of its four is known already: its place is not another session's.
    first = queue.next_batch(lambda _, rows: [row for row in rows if row != 0])
    assert [share.rows for share in first] == [[1, 2, 3]]


def test_a_pair_far_behind_waits_for_its_turn() -> None:
    # Windows of two pairs: those of 30 tokens that are more than three windows behind do not ride along.
    lengths = [30, 20, *[20, 20] * 4, 30]
    entry = Entry(lengths=lengths, order=range(len(lengths)), deadline=1.0)
    (share,) = make_queue(entry).next_batch()
    assert share.rows == [0]


def test_past_deadlines_are_dropped_with_the_pairs_that_were_not_served() -> None:
    entry = Entry(lengths=[32] * 5, deadline=10.0)
    queue = make_queue(entry)
    queue.next_batch()
    assert queue.drop_dead(9.9) == []
    (dropped,) = queue.drop_dead(10.0)
    assert (dropped.entry, dropped.reason, dropped.pairs) == (entry, DropReason.DEADLINE, 3)
    assert (queue.pairs, queue.tokens, queue.next_batch()) == (0, 0, [])


def test_dead_work_is_dropped_with_its_reason_and_the_rest_stays() -> None:
    gone, stays = Entry(lengths=[8, 8]), Entry(lengths=[8])
    queue = make_queue(gone, stays)
    gone.dead = DropReason.DISCONNECTED
    (dropped,) = queue.drop_dead(0.0)
    assert (dropped.entry, dropped.reason, dropped.pairs) == (gone, DropReason.DISCONNECTED, 2)
    assert [share.entry for batch in drain(queue) for share in batch] == [stays]


def test_the_most_urgent_priority_goes_first_whatever_its_size() -> None:
    background, urgent = Entry(lengths=[32], priority=5, deadline=1.0), Entry(lengths=[32] * 10, priority=0)
    served = [share.entry for batch in drain(make_queue(background, urgent)) for share in batch]
    assert served == [urgent] * 5 + [background]


def test_room_that_urgent_work_leaves_is_filled_with_the_rest() -> None:
    background, urgent = Entry(lengths=[16] * 9, priority=1), Entry(lengths=[16])
    batch = make_queue(background, urgent).next_batch()
    assert [(share.entry, len(share.rows)) for share in batch] == [(urgent, 1), (background, 3)]


def test_tokens_ahead_are_those_of_work_at_least_as_urgent() -> None:
    queue = make_queue(*(Entry(lengths=[10 * (level + 1)], priority=level) for level in range(3)))
    assert [queue.tokens_ahead(level) for level in range(3)] == [10, 30, 60]
    assert queue.tokens == 60


@given(lengths_lists, st.sets(st.integers(0, 240)))
def test_a_refused_pair_leaves_the_queue_untaken_and_takes_no_room(lengths: list[list[int]], refused: set[int]) -> None:
    entries = [Entry(lengths=item, priority=index % 3) for index, item in enumerate(lengths)]
    queue = make_queue(*entries)
    asked: Counter[tuple[int, int]] = Counter()

    def claim(entry: Entry, rows: Sequence[int]) -> list[int]:
        index = entries.index(entry)
        asked.update((index, row) for row in rows)
        return [row for row in rows if 30 * index + row not in refused]

    served = set()
    while batch := queue.next_batch(claim):
        assert sum(len(share.rows) for share in batch) > 0
        served |= {(entries.index(share.entry), row) for share in batch for row in share.rows}
    everything = {(index, row) for index, item in enumerate(lengths) for row in range(len(item))}
    assert asked == Counter(everything)
    assert served == {(index, row) for index, row in everything if 30 * index + row not in refused}
    assert (queue.pairs, queue.tokens) == (0, 0)


def test_rows_that_come_back_are_served_behind_the_ones_that_still_wait() -> None:
    entry = Entry(lengths=[32] * 4)
    queue = make_queue(entry)
    (share,) = queue.next_batch()
    queue.push(entry, share.rows)
    assert (queue.pairs, queue.tokens) == (4, 128)
    served = [row for batch in drain(queue) for share in batch for row in share.rows]
    assert served[-2:] == share.rows
    queue.push(entry, [1])
    assert [share.rows for batch in drain(queue) for share in batch] == [[1]]


def test_the_time_of_a_priority_starts_anew_when_nothing_of_it_waits() -> None:
    queue = make_queue(Entry(lengths=[32] * 10), Entry(lengths=[32], priority=1))
    drain(queue)
    later = Entry(lengths=[32])
    queue.push(later)
    assert later.finish == 32


def test_a_batch_is_cut_by_the_width_that_its_rows_are_padded_to() -> None:
    limits = BatchLimits(tokens=64, widths=(8, 16))
    assert [limits.rows(longest) for longest in (8, 9, 16, 17)] == [8, 4, 4, 3]
