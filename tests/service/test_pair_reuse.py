from __future__ import annotations

from collections import Counter
from concurrent.futures import Future

from hypothesis import given
from hypothesis import strategies as st

from relevance.pair_encoding import EncodedPair
from service.caches import ScoreCache
from service.job import Job
from service.pair import UNKNOWN
from service.pair_reuse import CrossPairKeys, PairReuse
from service.source import Source

KEYS = CrossPairKeys("7")


def pair(value: int) -> EncodedPair:
    return EncodedPair((2, value, 3), (0, 1, 1))


def enter(reuse: PairReuse, *values: int) -> tuple[Job, list[int]]:
    job = Job(pairs=[pair(value) for value in values], lengths=[3] * len(values))
    # Like asyncio's future, but it needs no loop.
    job.submit(0.0, Future())  # type: ignore[arg-type]
    return job, reuse.enter(job)


def test_a_key_tells_versions_ids_and_types_apart() -> None:
    pairs = [EncodedPair((1, 2), (0, 1)), EncodedPair((1, 2), (0, 0)), EncodedPair((2, 1), (0, 1))]
    keys = {key for version in ("1", "2") for key in CrossPairKeys(version).of(pairs)}
    assert len(keys) == 6
    # What was cut is not read, so it makes no difference.
    assert KEYS.of(pairs[:1]) == KEYS.of([EncodedPair((1, 2), (0, 1), (("title", 3),))])
    assert KEYS.of([UNKNOWN]) == [b""]


def test_a_pair_is_claimed_once_and_given_to_all_who_wait() -> None:
    reuse = PairReuse(KEYS)
    first, waiting = enter(reuse, 5, 6, 5)
    second, _ = enter(reuse, 5)
    assert waiting == [0, 1, 2]
    assert reuse.claim(first, [0, 2, 1]) == [0, 1]
    assert reuse.claim(second, [0]) == []
    computed = reuse.computed(KEYS.of([pair(5), pair(6)]), [0.5, 0.25])
    assert computed == {first: {0: 0.5, 2: 0.5, 1: 0.25}, second: {0: 0.5}}
    assert reuse.claim(second, [0]) == []


def test_a_job_that_left_waits_for_nothing_and_claims_nothing() -> None:
    reuse = PairReuse(KEYS)
    gone, _ = enter(reuse, 5)
    stays, _ = enter(reuse, 5)
    assert reuse.claim(gone, [0]) == [0]
    reuse.leave(gone)
    assert reuse.claim(gone, [0]) == []
    assert reuse.computed(KEYS.of([pair(5)]), [0.5]) == {stays: {0: 0.5}}


def test_what_is_given_up_goes_back_to_those_who_still_wait() -> None:
    reuse = PairReuse(KEYS)
    gone, _ = enter(reuse, 5, 6)
    stays, _ = enter(reuse, 7, 6)
    keys = reuse.keys_of(gone, [0, 1])
    assert reuse.claim(gone, [0, 1]) == [0, 1]
    reuse.leave(gone)
    assert reuse.given_up(keys) == {stays: [1]}
    assert reuse.claim(stays, [1]) == [1]


def test_known_scores_are_recorded_at_once() -> None:
    cache = ScoreCache(10_000, 60.0, lambda: 0.0)
    reuse = PairReuse(KEYS, cache)
    first, _ = enter(reuse, 5)
    assert reuse.claim(first, [0]) == [0]
    assert reuse.computed(KEYS.of([pair(5)]), [0.25]) == {first: {0: 0.25}}
    reuse.leave(first)
    again, waiting = enter(reuse, 5, 6)
    assert (waiting, again.logits[0], again.source(0), again.source(1)) == ([1], 0.25, Source.SCORE_CACHE, None)


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=6), st.data())
def test_nobody_waits_for_ever_and_nothing_is_kept(values: list[list[int]], data: st.DataObject) -> None:
    """Batches succeed or fail, jobs leave at any time: in the end every live pair has been computed or claimable."""
    reuse = PairReuse(KEYS)
    jobs = [enter(reuse, *item)[0] for item in values]
    computed: Counter[int] = Counter()
    for job in jobs:
        if data.draw(st.booleans()):
            reuse.leave(job)
    live = [job for job in jobs if job in reuse._keys_of]
    pending = [(job, row) for job in live for row in range(len(job.pairs))]
    while pending:
        job, row = pending.pop(data.draw(st.integers(0, len(pending) - 1)))
        if not reuse.claim(job, [row]):
            continue
        (key,) = reuse.keys_of(job, [row])
        if data.draw(st.booleans()):
            pending += [(other, other_row) for other, rows in reuse.given_up([key]).items() for other_row in rows]
        else:
            computed[job.pairs[row].ids[1]] += 1
            for waiter, logits in reuse.computed([key], [1.0]).items():
                waiter.record(logits, {})
    assert all(job.scored == len(job.pairs) for job in live)
    assert set(computed.values()) <= {1}
    for job in live:
        reuse.leave(job)
    assert (reuse._keys_of, dict(reuse._waiters), reuse._running) == ({}, {}, set())
