from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.fair_clock import FairClock


def test_alone_an_entry_finishes_after_its_own_tokens() -> None:
    clock = FairClock()
    assert clock.enter(100) == 100


def test_time_runs_slower_the_more_entries_share() -> None:
    clock = FairClock()
    clock.enter(100)
    clock.enter(100)
    clock.serve(60)
    assert clock.enter(10) == 30 + 10


def test_an_entry_that_is_through_in_ideal_sharing_takes_no_more_share() -> None:
    clock = FairClock()
    clock.enter(10)
    clock.enter(100)
    clock.serve(20)  # both have had 10: the first is through
    clock.serve(30)  # all of it to the second
    assert clock.enter(0) == 40


def test_an_entry_that_left_takes_no_more_share() -> None:
    clock = FairClock()
    gone = clock.enter(100)
    clock.enter(100)
    clock.leave(gone)
    clock.serve(50)
    assert clock.enter(0) == 50


def test_leaving_twice_is_harmless() -> None:
    clock = FairClock()
    finish = clock.enter(5)
    clock.leave(finish)
    clock.leave(finish)
    clock.serve(5)
    assert clock.enter(1) == 1


def test_a_share_never_counts_as_less_than_an_eighth() -> None:
    clock = FairClock()
    for _ in range(1000):
        clock.enter(1000)
    clock.serve(80)
    assert clock.enter(0) == 10


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_serving_everything_brings_the_time_to_the_last_finish(sizes: list[int]) -> None:
    clock = FairClock()
    last = max([clock.enter(size) for size in sizes])
    clock.serve(sum(sizes) + 1e-6)
    assert abs(clock.enter(0) - last) < 1e-6


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20), st.integers(1, 10_000))
def test_time_never_runs_back(sizes: list[int], served: int) -> None:
    clock = FairClock()
    before = min(clock.enter(size) - size for size in sizes)
    clock.serve(served)
    assert clock.enter(0) >= before
