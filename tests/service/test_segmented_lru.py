from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.segmented_lru import SegmentedLru


def key(number: int) -> bytes:
    return number.to_bytes(2, "big")


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 12), st.integers(1, 40)), max_size=200))
def test_it_stays_within_its_bytes_and_gives_back_what_was_put(steps: list[tuple[bool, int, int]]) -> None:
    cache: SegmentedLru[int] = SegmentedLru(100)
    sizes: dict[int, int] = {}
    for is_put, number, size in steps:
        if is_put:
            cache.put(key(number), number, sizes.setdefault(number, size))
        else:
            assert cache.get(key(number)) in (None, number)
        assert cache.size_bytes <= 100
    kept = [number for number in sizes if cache.get(key(number)) is not None]
    assert sum(sizes[number] for number in kept) == cache.size_bytes
    assert len(kept) == len(cache)


def test_what_was_asked_for_again_survives_a_scan_of_ten_times_the_size() -> None:
    cache: SegmentedLru[int] = SegmentedLru(100)
    for hot in range(60):
        cache.put(key(hot), hot, 1)
        cache.get(key(hot))
    for once in range(1000, 2000):
        assert cache.get(key(once)) is None
        cache.put(key(once), once, 1)
    assert [cache.get(key(hot)) for hot in range(60)] == list(range(60))
    assert cache.evictions == 1000 - 40


def test_the_least_recently_used_of_the_protected_makes_room_for_a_newer_one() -> None:
    cache: SegmentedLru[int] = SegmentedLru(10)
    for number in range(9):
        cache.put(key(number), number, 1)
        cache.get(key(number))
    # Eight are protected; number 0 is back on probation and goes before them.
    for number in range(9, 11):
        cache.put(key(number), number, 1)
    assert cache.get(key(0)) is None
    assert cache.get(key(1)) == 1


@pytest.mark.parametrize(("size", "kept"), [(10, True), (11, False)])
def test_what_is_larger_than_all_is_not_kept(size: int, kept: bool) -> None:
    cache: SegmentedLru[int] = SegmentedLru(10)
    cache.put(b"a", 1, size)
    assert (cache.get(b"a") is not None) is kept
    assert (cache.get(b"a") is not None) is kept


def test_no_bytes_keep_nothing() -> None:
    cache: SegmentedLru[int] = SegmentedLru(0)
    cache.put(b"a", 1, 1)
    assert (cache.get(b"a"), len(cache)) == (None, 0)
