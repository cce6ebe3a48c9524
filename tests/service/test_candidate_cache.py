from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from relevance.pair_encoding import EncodedText
from relevance.product import Product
from service.candidate_cache import CANDIDATE_ENTRY_BYTES, CandidateCache
from service.request import Candidate

TEXT = EncodedText((7, 8, 9), (("title", 2),))


def sent(raw: bytes, text: EncodedText | None = TEXT) -> Candidate:
    product = None if text is None else Product(title="lamp")
    return Candidate("sku", 3.0, 5, product, text, raw)


def test_a_candidate_comes_back_with_all_that_is_needed_and_without_its_fields() -> None:
    cache = CandidateCache(10_000)
    cache.put([sent(b'{"title": "lamp"}')])
    found, unknown = cache.get([b'{"title": "lamp"}', b'{"title":"lamp"}'])
    assert found is not None
    assert (found.id, found.prior, found.guess, found.text, found.product) == ("sku", 3.0, 5, TEXT, None)
    assert not found.new
    assert unknown is None
    assert (cache.lookups.hits, cache.lookups.misses) == (1, 1)


def test_only_what_has_its_bytes_is_remembered() -> None:
    cache = CandidateCache(10_000)
    cache.put([Candidate("sku", None, 5, Product(title="lamp"), TEXT)])
    assert cache.size_bytes == 0


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.integers(0, 60)), max_size=60))
def test_it_stays_within_its_bytes_and_counts_what_had_to_go(entries: list[tuple[bytes, int]]) -> None:
    limit = 5 * CANDIDATE_ENTRY_BYTES
    cache = CandidateCache(limit)
    for raw, length in entries:
        cache.put([sent(raw, EncodedText(tuple(range(length))))])
        assert cache.size_bytes <= limit
    kept = sum(found is not None for found in cache.get(sorted({raw for raw, _ in entries})))
    small = {raw for raw, length in entries if length < 20}
    assert kept + cache.evictions >= len(small)


def test_an_entry_takes_no_more_memory_than_is_counted() -> None:
    cache, entries = CandidateCache(1 << 30), 2_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(entries):
        ids = tuple(range(1000 + number, 1040 + number))
        cache.put([sent(b"%08d" % number * 50, EncodedText(ids))])
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 0.7 * cache.size_bytes < taken < cache.size_bytes
