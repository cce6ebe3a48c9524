"""Replicas that share records in Redis, and what they answer while it is away."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from relevance.bundle import Bundle
from relevance.catalogue.record_format import pack_record
from service.errors import SettingsError
from service.redis_tier import PREFIX
from tests.relevance.catalogue.hand_made import record_of
from tests.service.app_client import AppClient
from tests.service.redis_stub import PATIENCE, RedisStub
from tests.service.split.conftest import ServeSplit
from tests.service.split.test_serving import LISTED, expected, logits
from tests.tiny_split import QUERIES

COUNT = len(LISTED)
WIDTH = 16
"""Of the tiny student's latents."""


@pytest.fixture
def replica(serve_split: ServeSplit, redis: RedisStub) -> ServeSplit:
    """Starts a replica that shares; it remembers neither scores nor records, so that each request asks Redis."""

    def start(**settings: object) -> AppClient:
        forgetful = {"score_cache_mb": 0, "product_cache_mb": 0}
        given = {"redis_url": redis.url, "redis_timeout_ms": PATIENCE * 1000, **forgetful, **settings}
        return serve_split(**given)

    return start


@pytest.fixture
def restless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether Redis is back is tried with every call."""
    monkeypatch.setattr("service.split.shared.REST_SECONDS", 0.0)


def scores_are_right(client: AppClient, bundle: Bundle, query: str = QUERIES[0]) -> None:
    reply = client.score(query, LISTED, debug=True)
    assert reply.status_code == 200
    np.testing.assert_allclose(logits(reply), expected(bundle, query, LISTED), atol=1e-5)


def encoded(client: AppClient) -> float:
    return client.metric("aisle_encoded_products_total") or 0.0


def test_what_one_replica_encoded_another_one_finds(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle
) -> None:
    one = replica(redis_ttl_seconds=77)
    scores_are_right(one, split_bundle)
    redis.wait_until(lambda: len(redis.values) == COUNT)
    assert set(redis.lifetimes.values()) == {77}
    other = replica()
    before = encoded(other)
    scores_are_right(other, split_bundle, QUERIES[1])
    assert encoded(other) == before
    assert other.metric("aisle_redis_cache_hits_total") == COUNT
    assert other.metric("aisle_redis_cache_misses_total") == 0
    assert one.metric("aisle_redis_cache_misses_total") == COUNT
    assert other.metric("aisle_redis_breaker_open") == 0


def test_what_the_memory_holds_is_not_asked_for(replica: ServeSplit, redis: RedisStub) -> None:
    client = replica(product_cache_mb=1)
    for query in QUERIES:
        client.score(query, LISTED)
    assert redis.asked(b"MGET") == 1


def test_samples_of_the_warm_up_are_not_shared(replica: ServeSplit, redis: RedisStub) -> None:
    client = replica()
    client.score(QUERIES[0], LISTED)
    redis.wait_until(lambda: redis.asked(b"SET") >= COUNT)
    assert len(redis.values) == COUNT


def test_a_micro_batch_does_not_wait_for_its_records_to_be_written(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = replica()
    scores_are_right(client, split_bundle)
    redis.wait_until(lambda: redis.asked(b"SET") == COUNT)
    split = client.service.engine.split
    assert split is not None and split.shared is not None
    monkeypatch.setattr(split.shared.tier, "get", lambda keys: [None] * len(keys))
    redis.answers.clear()
    scores_are_right(client, split_bundle)
    redis.wait_until(lambda: redis.asked(b"SET") > COUNT)
    # These are answered while Redis has not answered to the write before.
    for query in QUERIES[1:]:
        scores_are_right(client, split_bundle, query)
    assert (client.metric("aisle_redis_waiting_records") or 0) >= len(QUERIES[1:]) * COUNT
    redis.answers.set()
    # What was encoded several times meanwhile is written once.
    redis.wait_until(lambda: redis.asked(b"SET") > 2 * COUNT)
    assert client.metric("aisle_redis_failures_total") == 0


def test_down_from_the_start(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    redis.stop()
    client = replica()
    for query in QUERIES:
        scores_are_right(client, split_bundle, query)
    assert client.metric("aisle_redis_breaker_open") == 1
    assert client.metric("aisle_redis_failures_total") == 1
    assert client.metric("aisle_redis_cache_misses_total") == len(QUERIES) * COUNT
    assert client.get("/readyz").status_code == 200
    assert sum("Redis is left alone" in record.message for record in caplog.records) == 1


def test_dies_in_the_middle_and_comes_back(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle, restless: None
) -> None:
    client = replica()
    scores_are_right(client, split_bundle)
    redis.wait_until(lambda: len(redis.values) == COUNT)
    redis.stop()
    before = encoded(client)
    for query in QUERIES:
        scores_are_right(client, split_bundle, query)
    assert encoded(client) == before + len(QUERIES) * COUNT
    assert client.metric("aisle_redis_breaker_open") == 1
    redis.start()
    before = encoded(client)
    scores_are_right(client, split_bundle)
    assert encoded(client) == before
    assert client.metric("aisle_redis_breaker_open") == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"-READONLY You can't write against a read only replica.\r\n",
        b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        b"-NOPERM this user has no permissions to run the 'set' command\r\n",
    ],
)
def test_takes_no_records_and_gives_those_it_has(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle, answer: bytes
) -> None:
    scores_are_right(replica(), split_bundle)
    redis.wait_until(lambda: len(redis.values) == COUNT)
    first, *_ = redis.values
    del redis.values[first]
    redis.replies[b"SET"] = answer
    client = replica()
    before = redis.asked(b"SET")
    scores_are_right(client, split_bundle)
    redis.wait_until(lambda: redis.asked(b"SET") > before)
    for query in QUERIES[1:]:
        scores_are_right(client, split_bundle, query)
    assert client.metric("aisle_redis_cache_hits_total") == len(QUERIES) * (COUNT - 1)
    assert client.metric("aisle_redis_breaker_open") == 0


def test_says_nothing_and_is_waited_for_once(replica: ServeSplit, redis: RedisStub, split_bundle: Bundle) -> None:
    redis.answers.clear()
    client = replica(redis_timeout_ms=20)
    for query in QUERIES:
        scores_are_right(client, split_bundle, query)
    assert client.metric("aisle_redis_failures_total") == 1
    assert client.metric("aisle_redis_breaker_open") == 1
    assert redis.asked(b"MGET") + redis.asked(b"SET") == 0, "it was not even greeted"


def test_what_it_holds_is_garbage_and_is_written_anew(
    replica: ServeSplit, redis: RedisStub, split_bundle: Bundle
) -> None:
    scores_are_right(replica(), split_bundle)
    redis.wait_until(lambda: len(redis.values) == COUNT)
    whole = dict(redis.values)
    for row, key in enumerate(whole):
        bare = key.removeprefix(PREFIX)
        of_another_width = pack_record(bare, record_of(bare, WIDTH + 1))
        of_another_product = pack_record(bare[::-1], record_of(bare, WIDTH))
        redis.values[key] = (b"", whole[key][:-1], bytes(200), of_another_width, of_another_product)[row % 5]
    client = replica()
    scores_are_right(client, split_bundle)
    assert client.metric("aisle_redis_damaged_records_total") == COUNT
    assert client.metric("aisle_redis_cache_hits_total") == 0
    redis.wait_until(lambda: redis.values == whole)


def test_a_replica_ends_while_redis_hangs(serve_split: ServeSplit, redis: RedisStub) -> None:
    client = serve_split(redis_url=redis.url, redis_timeout_ms=20)
    redis.answers.clear()
    client.score(QUERIES[0], LISTED)
    client.portal.call(client.service.close)
    assert "write-behind" not in {thread.name for thread in threading.enumerate()}


def test_without_an_address_nothing_is_shared(serve_split: ServeSplit) -> None:
    client = serve_split()
    assert client.metric("aisle_redis_breaker_open") is None
    split = client.service.engine.split
    assert split is not None and split.store.shared is None


def test_for_a_cross_encoder_it_stops_the_start(serve_split: ServeSplit, bundle: Bundle) -> None:
    with pytest.raises(SettingsError, match="AISLE_REDIS_URL holds records of a split student"):
        serve_split(bundle=bundle.directory, redis_url="redis://cache")


def test_without_the_package_the_start_names_the_extra(
    serve_split: ServeSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "service.redis_client", raising=False)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"AISLE_REDIS_URL .*redis is missing.*extra 'redis'"):
        serve_split(redis_url="redis://cache")
    serve_split()


def test_the_address_is_never_shown(replica: ServeSplit, redis: RedisStub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    redis.replies[b"AUTH"] = b"-ERR unknown command 'AUTH', with args beginning with: 'hush-hush'\r\n"
    client = replica(redis_url=redis.url.replace("//", "//:hush-hush@"))
    assert client.score(QUERIES[0], LISTED).status_code == 200
    assert any("Redis is left alone" in record.message for record in caplog.records)
    assert not [record for record in caplog.records if "hush" in f"{record.__dict__}"]
    assert "hush" not in f"{client.service.engine.settings!r}"
