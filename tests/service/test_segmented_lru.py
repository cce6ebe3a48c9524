from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.segmented_lru import SegmentedLru


def key(number: int) -> bytes:
    return number.to_bytes(2, "big")


def one(value: int) -> int:
    return 1


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "discard"]), st.integers(1, 40)), max_size=200))
def test_it_stays_within_its_bytes_and_gives_back_what_was_put(steps: list[tuple[str, int]]) -> None:
    cache: SegmentedLru[int] = SegmentedLru(100, lambda value: value)
    for step, number in steps:
        if step == "put":
            cache.put(key(number), number)
        elif step == "get":
            assert cache.get(key(number)) in (None, number)
        else:
            cache.discard(key(number))
            assert cache.get(key(number)) is None
        assert cache.size_bytes <= 100
        assert cache._protected_bytes == sum(cache._protected.values())
    kept = [number for number in range(1, 41) if cache.get(key(number)) is not None]
    assert (sum(kept), len(kept)) == (cache.size_bytes, len(cache))


def test_what_was_asked_for_again_survives_a_scan_of_ten_times_the_size() -> None:
    cache: SegmentedLru[int] = SegmentedLru(100, one)
    for hot in range(60):
        cache.put(key(hot), hot)
        cache.get(key(hot))
    for once in range(1000, 2000):
        assert cache.get(key(once)) is None
        cache.put(key(once), once)
    assert [cache.get(key(hot)) for hot in range(60)] == list(range(60))
    assert cache.evictions == 1000 - 40


def test_the_least_recently_used_of_the_protected_makes_room_for_a_newer_one() -> None:
    cache: SegmentedLru[int] = SegmentedLru(10, one)
    for number in range(9):
        cache.put(key(number), number)
        cache.get(key(number))
    # Eight are protected; number 0 is back on probation and goes before them.
    for number in range(9, 11):
        cache.put(key(number), number)
    assert cache.get(key(0)) is None
    assert cache.get(key(1)) == 1


@pytest.mark.parametrize(("size", "kept"), [(8, True), (9, True), (10, True), (11, False)])
def test_what_is_larger_than_all_is_not_kept(size: int, kept: bool) -> None:
    # What is larger than the protected segment stays on probation however often it is asked for.
    cache: SegmentedLru[int] = SegmentedLru(10, lambda value: value)
    cache.put(b"a", size)
    for _ in range(3):
        assert (cache.get(b"a") is not None) is kept
    for other in range(20):
        cache.put(key(other), 1)
        assert cache.size_bytes <= 10


def test_no_bytes_keep_nothing() -> None:
    cache: SegmentedLru[int] = SegmentedLru(0, one)
    cache.put(b"a", 1)
    assert (cache.get(b"a"), len(cache)) == (None, 0)
