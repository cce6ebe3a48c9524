from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from relevance.product_record import ProductRecord
from service.write_behind import TOGETHER, WriteBehind
from tests.relevance.catalogue.hand_made import key_of, record_of

KEYS = [key_of(f"text {n}") for n in range(TOGETHER + 10)]
RECORDS = [record_of(key) for key in KEYS]
PATIENCE = 30.0


class Tier:
    """Takes records when `opened` is set, and may fail at that."""

    def __init__(self) -> None:
        self.taken: list[list[bytes]] = []
        self.threads: set[str] = set()
        self.opened, self.came, self.done = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
        self.error: Exception | None = None

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        return [RECORDS[KEYS.index(key)] for key in keys]

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        self.came.release()
        assert self.opened.wait(PATIENCE)
        try:
            assert all(record is RECORDS[KEYS.index(key)] for key, record in zip(keys, records, strict=True))
            if self.error:
                raise self.error
            self.taken.append(list(keys))
            self.threads.add(threading.current_thread().name)
        finally:
            self.done.release()

    def wait_for_puts(self, count: int) -> None:
        for _ in range(count):
            assert self.done.acquire(timeout=PATIENCE)


@pytest.fixture
def tier() -> Iterator[Tier]:
    tier = Tier()
    yield tier
    tier.opened.set()


def test_records_are_given_in_a_thread_of_its_own_while_the_caller_goes_on(tier: Tier) -> None:
    writer = WriteBehind(tier)
    writer.start()
    writer.put(KEYS[:1], RECORDS[:1])
    assert tier.came.acquire(timeout=PATIENCE)
    # The tier hangs, and none of these waits for it.
    writer.put(KEYS[1:], RECORDS[1:])
    assert writer.waiting == len(KEYS) - 1
    tier.opened.set()
    tier.wait_for_puts(3)
    assert tier.taken == [KEYS[:1], KEYS[1 : 1 + TOGETHER], KEYS[1 + TOGETHER :]]
    assert tier.threads == {"write-behind"}
    assert (writer.waiting, writer.dropped) == (0, 0)
    writer.close()


def test_what_there_is_no_room_for_is_dropped_and_counted(tier: Tier) -> None:
    writer = WriteBehind(tier, room=5)
    writer.start()
    writer.put(KEYS[:1], RECORDS[:1])
    assert tier.came.acquire(timeout=PATIENCE)
    writer.put(KEYS[1:5], RECORDS[1:5])
    writer.put(KEYS[5:8], RECORDS[5:8])
    writer.put(KEYS[8:10], RECORDS[8:10])
    assert (writer.waiting, writer.dropped) == (5, 4)
    tier.opened.set()
    tier.wait_for_puts(2)
    assert tier.taken == [KEYS[:1], KEYS[1:6]]
    writer.close()


def test_a_failure_does_not_end_the_thread(tier: Tier, caplog: pytest.LogCaptureFixture) -> None:
    tier.opened.set()
    tier.error = tier_error = ValueError("of another shape")
    writer = WriteBehind(tier)
    writer.start()
    writer.put(KEYS[:1], RECORDS[:1])
    tier.wait_for_puts(1)
    tier.error = None
    writer.put(KEYS[1:2], RECORDS[1:2])
    tier.wait_for_puts(1)
    assert tier.taken == [KEYS[1:2]]
    (record,) = caplog.records
    assert vars(record)["fields"] == {"records": 1}
    assert record.exc_info is not None
    assert record.exc_info[1] is tier_error
    writer.close()


def test_nothing_is_taken_before_the_start_or_after_the_end(tier: Tier) -> None:
    tier.opened.set()
    writer = WriteBehind(tier)
    writer.put(KEYS[:1], RECORDS[:1])
    writer.start()
    writer.put(KEYS[1:2], RECORDS[1:2])
    tier.wait_for_puts(1)
    writer.close()
    writer.put(KEYS[2:3], RECORDS[2:3])
    assert (tier.taken, writer.waiting, writer.dropped) == ([KEYS[1:2]], 0, 0)
    assert "write-behind" not in {thread.name for thread in threading.enumerate()}


def test_one_that_never_started_can_be_closed(tier: Tier) -> None:
    WriteBehind(tier).close()


def test_reads_go_through(tier: Tier) -> None:
    assert WriteBehind(tier).get(KEYS[:2]) == RECORDS[:2]
