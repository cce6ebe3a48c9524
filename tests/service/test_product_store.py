from __future__ import annotations

import os
import shutil
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from relevance.catalogue import Catalogue
from relevance.product_record import ProductRecord
from relevance.units import MEBIBYTE
from service.metrics import Metrics
from service.product_store import ProductStore
from service.product_tiers import RECORD_ENTRY_BYTES
from tests.relevance.catalogue.hand_made import ENCODER, key_of, record_of, same, write, write_numbered

KEYS = [key_of(f"text {n}") for n in range(25)]


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue.open(write_numbered(tmp_path / "catalogue", len(KEYS)), ENCODER)


def large_record(seed: int) -> ProductRecord:
    random = np.random.default_rng(seed)
    return ProductRecord(
        random.integers(0, 30_000, 40, dtype=np.uint32), random.integers(-127, 128, (40, 128), dtype=np.int8)
    )


def counts(store: ProductStore) -> tuple[int, int, int, int]:
    memory, disk = store.memory.lookups, store.disk.lookups
    return memory.hits, memory.misses, disk.hits, disk.misses


def test_what_is_in_no_tier_is_computed_once_and_remembered() -> None:
    store = ProductStore(MEBIBYTE)
    key = key_of("lamp")
    assert store.get([key]) == [None]
    store.put([key], [record_of(key)])
    assert same(store.get([key])[0], record_of(key))
    assert counts(store) == (1, 1, 0, 1)


def test_the_catalogue_answers_first_and_then_memory(catalogue: Catalogue) -> None:
    store = ProductStore(MEBIBYTE, catalogue)
    new = key_of("new")
    for _ in range(2):
        records = store.get([*KEYS[:5], new])
        assert records[-1] is None
        assert all(same(record, record_of(key)) for key, record in zip(KEYS[:5], records[:-1], strict=True))
    assert counts(store) == (5, 7, 5, 2)
    assert store.find(["p3", "nobody"]) == [KEYS[3], None]


def test_the_hot_products_survive_a_scan_of_ten_times_the_memory() -> None:
    records = [large_record(0)] * 100
    store = ProductStore(100 * (records[0].nbytes + RECORD_ENTRY_BYTES))
    hot = [key_of(f"hot {n}") for n in range(50)]
    store.put(hot, records[:50])
    store.get(hot)
    for start in range(0, 1000, 50):
        scanned = [key_of(f"once {n}") for n in range(start, start + 50)]
        assert store.get(scanned) == [None] * 50
        store.put(scanned, records[:50])
    assert None not in store.get(hot)
    assert store.memory.evictions == 1000 - 50


def test_a_scan_of_the_catalogue_leaves_the_hot_products_too(tmp_path: Path) -> None:
    store = ProductStore(20 * 1000, Catalogue.open(write_numbered(tmp_path, 300), ENCODER))
    hot = KEYS[:10]
    for _ in range(2):
        store.get(hot)
    for n in range(25, 300):
        store.get([key_of(f"text {n}")])
    before = store.disk.lookups.hits
    assert None not in store.get(hot)
    assert store.disk.lookups.hits == before


def test_the_bytes_told_are_the_bytes_taken() -> None:
    count = 400
    keys = [key_of(f"{n}") for n in range(count)]
    store = ProductStore(64 * MEBIBYTE)
    batch = np.zeros((count, 40, 128), np.int8)
    ids = np.zeros((count, 40), np.uint32)
    tracemalloc.start()
    try:
        store.put(keys, [ProductRecord(ids[n], batch[n]) for n in range(count)])
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.95 * store.memory.size_bytes < taken < store.memory.size_bytes


def test_a_record_of_the_catalogue_takes_no_more_than_is_told(tmp_path: Path) -> None:
    count = 400
    store = ProductStore(64 * MEBIBYTE, Catalogue.open(write_numbered(tmp_path, count), ENCODER))
    keys = [key_of(f"text {n}") for n in range(count)]
    tracemalloc.start()
    try:
        store.get(keys)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert taken < store.memory.size_bytes


def test_a_part_of_a_batch_does_not_hold_the_batch() -> None:
    store = ProductStore(MEBIBYTE)
    batch = np.ones((32, 10, 8), np.int8)
    store.put(KEYS[:1], [ProductRecord(np.zeros(10, np.uint32), batch[0])])
    batch[:] = 0
    record = store.get(KEYS[:1])[0]
    assert record is not None
    assert record.latents.base is None
    assert record.latents.all()
    assert not record.latents.flags.writeable


def test_another_catalogue_takes_over_between_two_lookups(catalogue: Catalogue, tmp_path: Path) -> None:
    store = ProductStore(0, catalogue)
    store.use(Catalogue.open(write(tmp_path / "new", [("p0", "new text")]), ENCODER))
    assert store.find(["p0", "p1"]) == [key_of("new text"), None]
    assert store.get([key_of("new text"), KEYS[0]])[1] is None
    store.use(None)
    assert store.find(["p0"]) == [None]
    assert store.get([key_of("new text")]) == [None]


def test_memory_stays_valid_when_the_catalogue_is_exchanged(catalogue: Catalogue) -> None:
    store = ProductStore(MEBIBYTE, catalogue)
    store.get(KEYS)
    store.use(None)
    assert all(same(record, record_of(key)) for key, record in zip(KEYS, store.get(KEYS), strict=True))


def test_damaged_records_are_counted_through_an_exchange(catalogue: Catalogue) -> None:
    os.truncate(catalogue.directory / "records-00000.bin", 0)
    store = ProductStore(0, catalogue)
    assert store.get(KEYS[:2]) == [None, None]
    store.use(None)
    assert store.disk.damaged == 2


def test_exchanges_under_load_never_give_a_wrong_record(tmp_path: Path) -> None:
    catalogues = [Catalogue.open(write_numbered(tmp_path / f"{n}", count), ENCODER) for n, count in enumerate((25, 15))]
    for catalogue in catalogues:
        shutil.rmtree(catalogue.directory)
    store = ProductStore(4000, catalogues[0])
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            for catalogue in catalogues:
                store.use(catalogue)

    def read(_: int) -> bool:
        records = store.get(KEYS)
        if None in records[:15]:
            return False
        return all(record is None or same(record, record_of(key)) for key, record in zip(KEYS, records, strict=True))

    exchanging = threading.Thread(target=exchange)
    exchanging.start()
    try:
        with ThreadPoolExecutor(4) as readers:
            assert all(readers.map(read, range(60)))
    finally:
        stop.set()
        exchanging.join()
    lookups = store.memory.lookups
    assert lookups.hits + lookups.misses == 60 * len(KEYS)


def test_each_tier_can_be_watched_by_the_metrics(catalogue: Catalogue) -> None:
    store, metrics = ProductStore(MEBIBYTE, catalogue), Metrics()
    metrics.watch_cache("product_memory", store.memory)
    metrics.watch_cache("product_catalogue", store.disk)
    store.get(KEYS)
    read = metrics.registry.get_sample_value
    assert read("aisle_product_catalogue_cache_hits_total") == len(KEYS)
    assert read("aisle_product_memory_cache_misses_total") == len(KEYS)
    assert read("aisle_product_catalogue_cache_bytes") == catalogue.size_bytes
