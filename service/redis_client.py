"""The Redis client as `service.redis_tier` wants it: a read ends in time, a write expires, no error tells a secret.

Needs the extra `redis` and is imported only when `AISLE_REDIS_URL` is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from service.redis_tier import RefusedError
from service.redis_url import secrets_of


@dataclass(frozen=True, slots=True)
class RedisLimits:
    """How long a read may take, how long a value is kept, how many reads run at a time."""

    seconds: float
    ttl_seconds: int
    reads: int


class RedisError(Exception):
    """A call failed; no name or password of the address is in the text."""


class TimelyRedis:
    """Connects with the first call, and again whenever it must. Thread-safe."""

    def __init__(self, url: str, limits: RedisLimits) -> None:
        self._limits, self._secrets = limits, secrets_of(url)
        self._redis = Redis.from_url(
            url,
            socket_timeout=limits.seconds,
            socket_connect_timeout=limits.seconds,
            # By itself the client may try again, depending on its version, for several times a call's time.
            retry=Retry(NoBackoff(), 0),
            # With version 3 a server may tell the client to be more patient than that.
            protocol=2,
        )
        self._threads = ThreadPoolExecutor(limits.reads, thread_name_prefix="redis-read")

    def mget(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The value of each key, None where there is none; RedisError, TimeoutError when the time is over."""
        # The sockets' timeouts are of each step: to find the host, to connect, to greet, each piece of an answer.
        asked = self._threads.submit(self._mget, keys)
        try:
            return asked.result(self._limits.seconds)
        except TimeoutError:
            if not asked.cancel():
                # What is being read would be for as long as the server goes on to send, and be held in memory.
                self._redis.connection_pool.disconnect(inuse_connections=True)
            raise TimeoutError(f"no answer within {self._limits.seconds * 1000:g} ms") from None

    def mset(self, mapping: Mapping[bytes, bytes]) -> None:
        """Set all keys to their values, for as long as values are kept. Takes as long as it takes.

        RefusedError if Redis answers that it does not; RedisError for all else.
        """
        try:
            with self._redis.pipeline(transaction=False) as pipeline:
                for key, value in mapping.items():
                    pipeline.set(key, value, ex=self._limits.ttl_seconds)
                pipeline.execute()
        except ResponseError as error:
            raise RefusedError(self._told(error)) from None
        except Exception as error:
            raise RedisError(self._told(error)) from None

    def close(self) -> None:
        """Hang up. Nobody waits for a read that still runs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._redis.close()

    def _mget(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        try:
            return cast(Sequence[bytes | None], self._redis.mget(keys))
        except Exception as error:
            raise RedisError(self._told(error)) from None

    def _told(self, error: Exception) -> str:
        text = f"{type(error).__name__}: {error}"
        for secret in self._secrets:
            # A server that does not know a command repeats its arguments, a password among them.
            text = text.replace(secret, "…")
        return text
