from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.autotune.plan import Fixed, Room, make_plan
from service.autotune.tuning import Layout, OperatingPoint

COUNTS = st.integers(1, 300)
FIXED = st.builds(Fixed, st.none() | COUNTS, st.none() | COUNTS, st.none() | st.integers(1, 5000))
ROOMS = st.builds(Room, cores=COUNTS, cuda=st.booleans(), layouts=st.integers(1, 20), queue_tokens=st.none() | COUNTS)
LONGEST = st.integers(4, 512)


@given(FIXED, ROOMS, LONGEST)
def test_what_settings_fix_is_never_varied(fixed: Fixed, room: Room, longest: int) -> None:
    for candidate in make_plan(fixed, room, longest).candidates:
        assert fixed.sessions in (None, candidate.layout.sessions)
        assert fixed.threads in (None, candidate.layout.threads)
        assert fixed.micro_batch_tokens in (None, candidate.micro_batch_tokens)


@given(FIXED, ROOMS, LONGEST)
def test_what_is_left_open_stays_within_the_cores(fixed: Fixed, room: Room, longest: int) -> None:
    for layout in make_plan(fixed, room, longest).layouts:
        # A fixed side that is larger than the machine leaves 1 for the other.
        asked = (fixed.sessions or 1) * (fixed.threads or 1)
        assert layout.sessions * layout.threads <= max(room.cores, asked)


@given(FIXED, ROOMS, LONGEST)
def test_a_plan_is_finite_without_repetition_and_never_empty(fixed: Fixed, room: Room, longest: int) -> None:
    plan = make_plan(fixed, room, longest)
    assert 1 <= len(plan.layouts) <= room.layouts
    assert 1 <= len(plan.candidates) == len(set(plan.candidates)) <= 8 * len(plan.layouts)
    assert len(plan.lengths) == len(set(plan.lengths)) <= 4
    assert max(plan.lengths) == longest
    assert plan == make_plan(fixed, room, longest)


@given(FIXED, ROOMS, LONGEST)
def test_no_micro_batch_is_larger_than_the_queue(fixed: Fixed, room: Room, longest: int) -> None:
    if room.queue_tokens is not None and fixed.micro_batch_tokens is None:
        assert all(c.micro_batch_tokens <= room.queue_tokens for c in make_plan(fixed, room, longest).candidates)


@pytest.mark.parametrize(
    ("fixed", "room", "layouts"),
    [
        (Fixed(), Room(1), {(1, 1)}),
        (Fixed(), Room(2), {(2, 1), (1, 2)}),
        (Fixed(), Room(8), {(8, 1), (4, 2), (2, 4), (1, 8)}),
        (Fixed(), Room(6), {(6, 1), (3, 2), (1, 4), (1, 6)}),
        (Fixed(), Room(64, layouts=2), {(64, 1), (1, 64)}),
        (Fixed(sessions=2), Room(8), {(2, 1), (2, 2), (2, 4)}),
        (Fixed(threads=2), Room(8), {(4, 2), (2, 2), (1, 2)}),
        (Fixed(threads=100), Room(8), {(1, 100)}),
        (Fixed(sessions=3, threads=3), Room(2), {(3, 3)}),
        (Fixed(), Room(64, cuda=True), {(1, 1)}),
        (Fixed(sessions=2, threads=4), Room(64, cuda=True), {(2, 4)}),
    ],
)
def test_layouts_of_known_machines(fixed: Fixed, room: Room, layouts: set[tuple[int, int]]) -> None:
    assert set(make_plan(fixed, room, 90).layouts) == layouts


@pytest.mark.parametrize(
    ("fixed", "room", "default"),
    [
        (Fixed(), Room(4), OperatingPoint(Layout(4, 1), 256)),
        (Fixed(threads=2), Room(5), OperatingPoint(Layout(2, 2), 256)),
        (Fixed(sessions=1), Room(4), OperatingPoint(Layout(1, 1), 256)),
        (Fixed(micro_batch_tokens=70), Room(4), OperatingPoint(Layout(4, 1), 70)),
        (Fixed(), Room(4, queue_tokens=50), OperatingPoint(Layout(4, 1), 50)),
        (Fixed(), Room(4, cuda=True), OperatingPoint(Layout(1, 1), 4096)),
    ],
)
def test_unmeasured_every_core_has_a_session_of_its_own(fixed: Fixed, room: Room, default: OperatingPoint) -> None:
    assert make_plan(fixed, room, 90).default == default


def test_typical_lengths_and_sizes_come_first() -> None:
    plan = make_plan(Fixed(), Room(1), 93)
    assert plan.lengths == (32, 16, 64, 93)
    assert [candidate.micro_batch_tokens for candidate in plan.candidates] == [256, 128, 512, 64, 1024]
    assert make_plan(Fixed(), Room(1), 21).lengths == (21, 16)


def test_a_gpu_is_offered_larger_micro_batches() -> None:
    sizes = {candidate.micro_batch_tokens for candidate in make_plan(Fixed(), Room(8, cuda=True), 93).candidates}
    assert max(sizes) == 32_768


def test_a_candidate_fills_its_micro_batch_with_whole_pairs() -> None:
    candidate = OperatingPoint(Layout(1, 1), 256)
    assert [candidate.pairs(length) for length in (16, 93, 300)] == [16, 2, 1]
