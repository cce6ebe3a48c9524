from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevance.pair_encoding import EncodedText
from service.caches import SCORE_ENTRY_BYTES, TOKEN_ENTRY_BYTES, ScoreCache, TokenCache

TEXT = EncodedText((300, 301), (("title", 4),))


def score_cache(entries: int, ttl: float = 10.0, now: float = 0.0) -> tuple[ScoreCache, list[float]]:
    times = [now]
    return ScoreCache(entries * SCORE_ENTRY_BYTES, ttl, lambda: times[0]), times


def test_a_logit_comes_back_exactly() -> None:
    cache, _ = score_cache(2)
    cache.put([b"a"], [0.1])
    assert cache.get([b"a", b"b"]) == [0.1, None]
    assert (cache.lookups.hits, cache.lookups.misses, cache.lookups.hit_ratio) == (1, 1, 0.5)


def test_a_logit_of_zero_is_a_hit() -> None:
    cache, _ = score_cache(2)
    cache.put([b"a"], [0.0])
    assert cache.get([b"a"]) == [0.0]
    assert cache.lookups.hits == 1


@pytest.mark.parametrize(("age", "found"), [(9.99, True), (10.0, False)])
def test_nothing_is_given_out_after_its_time(age: float, found: bool) -> None:
    cache, times = score_cache(2, ttl=10.0)
    cache.put([b"a"], [1.0])
    times[0] = age
    # One request may hold the same pair twice.
    assert cache.get([b"a", b"a"]) == ([1.0, 1.0] if found else [None, None])


def test_what_is_computed_again_after_its_time_is_known_again() -> None:
    cache, times = score_cache(2, ttl=10.0)
    for now, logit in ((0.0, 1.0), (10.0, 2.0), (20.0, 3.0)):
        times[0] = now
        assert cache.get([b"a"]) == [None]
        cache.put([b"a"], [logit])
        assert cache.get([b"a"]) == [logit]
        assert cache.size_bytes == SCORE_ENTRY_BYTES


def test_a_score_that_is_asked_for_outlives_one_that_is_not() -> None:
    cache, _ = score_cache(2)
    cache.put([b"a", b"b"], [1.0, 2.0])
    cache.get([b"a"])
    cache.put([b"c"], [3.0])
    assert cache.get([b"a", b"b", b"c"]) == [1.0, None, 3.0]


@given(st.lists(st.binary(min_size=1, max_size=2), max_size=50))
def test_scores_stay_within_their_bytes(keys: list[bytes]) -> None:
    cache, _ = score_cache(5)
    for key in keys:
        cache.put([key], [1.0])
        assert cache.get([key]) == [1.0]
        assert cache.size_bytes <= 5 * SCORE_ENTRY_BYTES


def test_token_ids_and_the_receipt_come_back() -> None:
    cache = TokenCache(10_000)
    cache.put([("lamp", "acme")], [TEXT])
    assert cache.get([("lamp", "acme"), ("lamp", "")]) == [TEXT, None]
    assert (cache.lookups.hits, cache.lookups.misses) == (1, 1)


@given(st.lists(st.text(max_size=40), max_size=60))
def test_token_ids_stay_within_their_bytes(texts: list[str]) -> None:
    limit = 10 * TOKEN_ENTRY_BYTES
    cache = TokenCache(limit)
    for text in texts:
        cache.put([(text,)], [EncodedText(tuple(range(len(text))))])
        assert cache.size_bytes <= limit


def test_what_is_larger_than_the_cache_is_not_kept() -> None:
    cache = TokenCache(TOKEN_ENTRY_BYTES)
    cache.put([("lamp",)], [TEXT])
    assert (cache.size_bytes, cache.get([("lamp",)])) == (0, [None])


def test_several_threads_may_ask_and_tell() -> None:
    cache = TokenCache(20 * TOKEN_ENTRY_BYTES)
    failures = []

    def work(number: int) -> None:
        for turn in range(300):
            key = (str((number * turn) % 40),)
            cache.put([key], [EncodedText((int(key[0]),))])
            (found,) = cache.get([key])
            if found is not None and found.ids != (int(key[0]),):
                failures.append(key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert cache.lookups.hits + cache.lookups.misses == 1200
