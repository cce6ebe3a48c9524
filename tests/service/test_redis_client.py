"""The real client library against a server that is whatever a test wants it to be."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from relevance.catalogue.record_format import pack_record
from service.circuit_breaker import CircuitBreaker
from service.product_store import ProductStore
from service.redis_client import RedisError, RedisLimits, TimelyRedis
from service.redis_tier import PREFIX, RedisTier, RefusedError
from tests.relevance.catalogue.hand_made import WIDTH, key_of, record_of, same
from tests.service.redis_stub import PATIENCE, RedisStub, bulk

KEYS = [key_of(f"text {n}") for n in range(4)]
RECORDS = [record_of(key) for key in KEYS]
TTL = 77
SOON, LATE = 0.02, PATIENCE

Open = Callable[..., TimelyRedis]


@pytest.fixture
def open_client(redis: RedisStub) -> Iterator[Open]:
    opened = []

    def start(seconds: float = LATE, url: str = "", reads: int = 1) -> TimelyRedis:
        opened.append(TimelyRedis(url or redis.url, RedisLimits(seconds, TTL, reads)))
        return opened[-1]

    yield start
    for client in opened:
        client.close()


def tier_of(client: TimelyRedis, clock: Callable[[], float] = lambda: 0.0) -> RedisTier:
    away, full = (CircuitBreaker(rest_seconds=5.0, clock=clock) for _ in range(2))
    return RedisTier(client, WIDTH, away, full)


def test_records_make_the_round_trip_between_two_stores(redis: RedisStub, open_client: Open) -> None:
    one = ProductStore(1_000_000, shared=tier_of(open_client()))
    one.put(KEYS[:3], RECORDS[:3])
    other = ProductStore(1_000_000, shared=tier_of(open_client()))
    found = other.get(KEYS)
    assert all(same(record, wanted) for record, wanted in zip(found, [*RECORDS[:3], None], strict=True))
    assert redis.lifetimes == dict.fromkeys((PREFIX + key for key in KEYS[:3]), TTL)
    assert redis.asked(b"MGET") == 1


def test_a_value_that_is_not_the_record_is_never_used(redis: RedisStub, open_client: Open) -> None:
    tier = tier_of(open_client())
    whole = pack_record(KEYS[0], RECORDS[0])
    # As of a server that mixes keys up: the encoder's version is in the key, and the key in the record.
    of_another_encoder = pack_record(key_of("text 0", "encoder-2"), RECORDS[0])
    of_another_width = pack_record(KEYS[0], record_of(KEYS[0], WIDTH + 1))
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    values = [b"", b"\r\n" * 50, whole[:-1], whole[:20], whole + b"x", flipped, of_another_encoder, of_another_width]
    for value in values:
        redis.values[PREFIX + KEYS[0]] = value
        assert tier.get(KEYS[:1]) == [None]
    assert (tier.damaged, tier.failures) == (len(values), 0)
    redis.values[PREFIX + KEYS[0]] = whole
    assert same(tier.get(KEYS[:1])[0], RECORDS[0])


def test_a_record_of_another_encoder_is_not_even_found(open_client: Open) -> None:
    tier = tier_of(open_client())
    tier.put(KEYS, RECORDS)
    assert tier.get([key_of("text 0", "encoder-2")]) == [None]
    assert tier.damaged == 0


@pytest.mark.parametrize("reply", [b"*1\r\n$-1\r\n", b"+OK\r\n", b":7\r\n", b"-ERR no\r\n", b"*-1\r\n", b"what?\r\n"])
def test_a_server_that_talks_nonsense_is_a_miss(redis: RedisStub, open_client: Open, reply: bytes) -> None:
    redis.replies[b"MGET"] = reply
    tier = tier_of(open_client())
    assert tier.get(KEYS) == [None] * 4
    assert tier.failures == 1


def test_numbers_where_records_should_be_are_misses(redis: RedisStub, open_client: Open) -> None:
    redis.replies[b"MGET"] = b"*4\r\n:1\r\n" + bulk(None) + bulk(b"text") + bulk(pack_record(KEYS[3], RECORDS[3]))
    records = tier_of(open_client()).get(KEYS)
    assert records[:3] == [None] * 3
    assert same(records[3], RECORDS[3])


def test_a_server_that_says_nothing_costs_its_time_once(redis: RedisStub, open_client: Open) -> None:
    redis.answers.clear()
    tier = tier_of(open_client(SOON))
    for _ in range(5):
        # It returns while the server still holds its tongue.
        assert tier.get(KEYS) == [None] * 4
        tier.put(KEYS, RECORDS)
    assert (tier.failures, tier.lookups.misses, tier.unwritten) == (1, 20, 20)
    assert redis.asked(b"MGET") + redis.asked(b"SET") <= 1


def test_a_read_ends_in_time_whatever_holds_it_up(open_client: Open) -> None:
    # Finding a host's address, or an answer that comes byte by byte: no timeout of a socket ends these.
    release = threading.Event()
    asked: list[Sequence[bytes]] = []

    hung_up: list[bool] = []

    class Held:
        connection_pool = SimpleNamespace(disconnect=lambda *, inuse_connections: hung_up.append(inuse_connections))

        def mget(self, keys: Sequence[bytes]) -> Any:
            asked.append(keys)
            assert release.wait(PATIENCE)

        def close(self) -> None:
            release.set()

    client = open_client(SOON)
    client._redis = Held()  # type: ignore[assignment]
    for _ in range(3):
        with pytest.raises(TimeoutError, match="no answer within 20 ms"):
            client.mget(KEYS)
    release.set()
    client._threads.submit(lambda: None).result(PATIENCE)
    assert asked == [KEYS], "those that waited for the one that hung must not be run when nobody wants them any more"
    assert hung_up == [True]


def test_an_answer_without_end_is_not_read_on(open_client: Open) -> None:
    hung_up = threading.Event()

    class Endless(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                while b"MGET" not in (greeting := self.request.recv(4096)):
                    self.request.sendall(b"+OK\r\n" * greeting.count(b"SETINFO"))
                self.request.sendall(b"*4\r\n$500000000\r\n")
                while True:
                    self.request.sendall(bytes(4096))
            except OSError:
                hung_up.set()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        client = open_client(SOON, f"redis://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(TimeoutError):
            client.mget(KEYS)
        assert hung_up.wait(PATIENCE)
        server.shutdown()


def test_a_call_is_one_attempt(redis: RedisStub, open_client: Open) -> None:
    redis.answers.clear()
    client = open_client(SOON)
    with pytest.raises(RedisError, match="Timeout"):
        client.mset({b"key": b"value"})
    assert redis.connections == 1


def test_a_server_that_is_down_is_a_miss_and_used_when_it_is_back(redis: RedisStub, open_client: Open) -> None:
    client, now = open_client(), [0.0]
    tier = tier_of(client, lambda: now[0])
    tier.put(KEYS, RECORDS)
    redis.stop()
    for _ in range(3):
        assert tier.get(KEYS) == [None] * 4
    assert tier.failures == 1
    redis.start()
    assert tier.get(KEYS) == [None] * 4
    now[0] = 5.0
    assert None not in tier.get(KEYS)


def test_a_connection_that_was_closed_meanwhile_is_no_failure(redis: RedisStub, open_client: Open) -> None:
    tier = tier_of(open_client())
    tier.put(KEYS, RECORDS)
    redis.stop()
    redis.start()
    assert None not in tier.get(KEYS)
    assert tier.failures == 0


def test_nothing_is_connected_before_the_first_call(redis: RedisStub, open_client: Open) -> None:
    open_client()
    # Redis takes connections one after the other: had the first client made one, it would count by now.
    tier_of(open_client()).get(KEYS)
    assert redis.connections == 1


def test_errors_tell_no_password(redis: RedisStub, open_client: Open) -> None:
    redis.replies[b"AUTH"] = b"-ERR unknown command 'AUTH', with args beginning with: 'shopkeeper' 'hush/hush'\r\n"
    client = open_client(url=redis.url.replace("//", "//shopkeeper:hush%2Fhush@"))
    calls: dict[type[Exception], Callable[[], object]] = {
        RedisError: lambda: client.mget(KEYS),
        RefusedError: lambda: client.mset({b"key": b"value"}),
    }
    for raised, call in calls.items():
        with pytest.raises(raised, match="unknown command") as told:
            call()
        assert "hush" not in str(told.value)
        assert "shopkeeper" not in str(told.value)
        assert told.value.__cause__ is None
