from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from relevance.catalogue.record_format import pack_record
from service.circuit_breaker import CircuitBreaker
from service.product_store import ProductStore
from service.redis_tier import PREFIX, RedisTier, RefusedError
from tests.relevance.catalogue.hand_made import WIDTH, key_of, record_of, same

KEYS = [key_of(f"text {n}") for n in range(4)]
RECORDS = [record_of(key) for key in KEYS]


class FakeClient:
    """A Redis with a clock for the breaker, an error to raise, and an answer of its own if it must be another."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.now, self.calls = 0.0, 0
        self.error: Exception | None = None
        self.refusal: Exception | None = None
        self.answer: Any = None

    def mget(self, keys: Sequence[bytes]) -> Any:
        self._answer()
        return [self.values.get(key) for key in keys] if self.answer is None else self.answer

    def mset(self, mapping: Mapping[bytes, bytes]) -> None:
        self._answer()
        if self.refusal:
            raise self.refusal
        self.values.update(mapping)

    def _answer(self) -> None:
        self.calls += 1
        if self.error:
            raise self.error


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


def tier_of(client: FakeClient) -> RedisTier:
    away, full = (CircuitBreaker(rest_seconds=5.0, clock=lambda: client.now) for _ in range(2))
    return RedisTier(client, WIDTH, away, full)


def test_records_come_back_in_another_replica(client: FakeClient) -> None:
    tier_of(client).put(KEYS[:3], RECORDS[:3])
    tier = tier_of(client)
    records = tier.get(KEYS)
    assert all(same(records[n], RECORDS[n]) for n in range(3))
    assert records[3] is None
    assert (tier.lookups.hits, tier.lookups.misses) == (3, 1)


def test_nothing_is_asked_about_nothing(client: FakeClient) -> None:
    tier = tier_of(client)
    tier.put([], [])
    assert (tier.get([]), client.calls) == ([], 0)


def test_a_redis_that_is_down_is_a_miss_and_soon_not_asked(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.error = ConnectionError("refused")
    tier = tier_of(client)
    for _ in range(10):
        assert tier.get(KEYS) == [None] * 4
        tier.put(KEYS, RECORDS)
    assert (client.calls, tier.failures) == (1, 1)
    assert tier.lookups.misses == 40
    (record,) = caplog.records
    assert record.message == "Redis is left alone for a while, products are computed instead"
    assert vars(record)["fields"] == {"reason": "ConnectionError: refused"}


@pytest.mark.parametrize("answer", [[], [None] * 5, 7, True, "four"])
def test_an_answer_of_another_shape_is_a_failure_and_a_miss(client: FakeClient, answer: object) -> None:
    client.answer = answer
    tier = tier_of(client)
    assert tier.get(KEYS[:3]) == [None] * 3
    assert (tier.failures, tier.damaged) == (1, 0)


def test_what_is_no_string_of_bytes_is_a_miss_told_in_one_line(
    client: FakeClient, caplog: pytest.LogCaptureFixture
) -> None:
    client.answer = ["text", 7, [], pack_record(KEYS[3], RECORDS[3])]
    tier = tier_of(client)
    assert tier.get(KEYS)[:3] == [None] * 3
    assert same(tier.get(KEYS)[3], RECORDS[3])
    assert tier.damaged == 6
    first, _ = caplog.records
    assert vars(first)["fields"] == {"records": 3, "first": f"{KEYS[0].hex()}: it is not a string of bytes"}


def test_what_could_not_be_written_is_counted(client: FakeClient) -> None:
    client.error = ConnectionError("refused")
    tier = tier_of(client)
    for _ in range(5):
        tier.put(KEYS, RECORDS)
    assert (tier.unwritten, tier.failures) == (20, 1)
    client.error, client.now = None, 5.0
    tier.put(KEYS, RECORDS)
    assert (tier.unwritten, len(client.values)) == (20, 4)


def test_one_that_is_full_or_only_read_is_still_asked(client: FakeClient, caplog: pytest.LogCaptureFixture) -> None:
    tier = tier_of(client)
    tier.put(KEYS[:3], RECORDS[:3])
    client.refusal = RefusedError("ReadOnlyError: you can't write against a read only replica")
    for _ in range(10):
        tier.put(KEYS[3:], RECORDS[3:])
        assert same(tier.get(KEYS)[0], RECORDS[0])
    # A write, and a read each time.
    assert (client.calls, tier.failures, tier.unwritten) == (1 + 1 + 10, 1, 10)
    (told,) = caplog.records
    assert told.message == "Redis takes no records for a while, it is asked all the same"
    assert vars(told)["fields"] == {"reason": f"{client.refusal}"}
    client.refusal, client.now = None, 5.0
    tier.put(KEYS[3:], RECORDS[3:])
    assert None not in tier.get(KEYS)


def test_one_that_is_back_is_used_again(client: FakeClient) -> None:
    tier = tier_of(client)
    tier.put(KEYS, RECORDS)
    client.error = TimeoutError()
    for _ in range(3):
        tier.get(KEYS)
    client.error = None
    assert tier.get(KEYS) == [None] * 4
    client.now += 5.0
    assert all(same(record, wanted) for record, wanted in zip(tier.get(KEYS), RECORDS, strict=True))
    assert None not in tier.get(KEYS)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x" * 100,
        pack_record(KEYS[0], RECORDS[0])[:-1],
        pack_record(KEYS[1], RECORDS[0]),
        pack_record(KEYS[0], record_of(KEYS[0], WIDTH + 1)),
    ],
)
def test_a_value_that_is_not_the_record_is_a_miss(
    client: FakeClient, value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    tier = tier_of(client)
    tier.put(KEYS, RECORDS)
    client.values[PREFIX + KEYS[0]] = value
    records = tier.get(KEYS)
    assert records[0] is None
    assert same(records[1], RECORDS[1])
    assert tier.damaged == 1
    (told,) = caplog.records
    assert vars(told)["fields"]["first"].startswith(f"{KEYS[0].hex()}: ")


def test_the_store_asks_it_last_and_remembers_what_it_said(client: FakeClient) -> None:
    one = ProductStore(1_000_000, shared=tier_of(client))
    assert one.get(KEYS) == [None] * 4
    one.put(KEYS[:3], RECORDS[:3])
    other = ProductStore(1_000_000, shared=tier_of(client))
    client.calls = 0
    for _ in range(2):
        assert all(same(record, wanted) for record, wanted in zip(other.get(KEYS[:3]), RECORDS, strict=False))
    assert client.calls == 1
    assert other.get(KEYS)[3] is None
