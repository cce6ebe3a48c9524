"""The tier that replicas share, as the settings ask for it: Redis, a breaker, and writes in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from service.circuit_breaker import CircuitBreaker
from service.errors import SettingsError
from service.metrics import Metrics
from service.redis_tier import RedisTier
from service.settings import PREFIX, Settings
from service.write_behind import WriteBehind

REST_SECONDS: Final = 5.0
"""One call in so many seconds tries whether Redis is back."""


@dataclass(frozen=True, slots=True)
class SharedRecords:
    """Its parts; the store reads and writes through `writer`."""

    tier: RedisTier
    writer: WriteBehind
    breaker: CircuitBreaker
    hang_up: Callable[[], None]

    def watch(self, metrics: Metrics) -> None:
        """Show how it is doing."""
        tier, writer, breaker = self.tier, self.writer, self.breaker
        metrics.watch_cache("redis", tier)
        metrics.watch("aisle_redis_breaker_open", "1 while Redis is left alone.", lambda: breaker.is_open)
        metrics.watch_total("aisle_redis_failures", "Calls that failed or took too long.", lambda: tier.failures)
        metrics.watch_total("aisle_redis_damaged_records", "Values that were no such record.", lambda: tier.damaged)
        metrics.watch("aisle_redis_waiting_records", "Records that wait to be written.", lambda: writer.waiting)
        metrics.watch_total(
            "aisle_redis_dropped_records",
            "Records not written: Redis was away, or the queue full.",
            lambda: writer.dropped + tier.unwritten,
        )

    def close(self) -> None:
        """End the thread and the connections."""
        self.writer.close()
        self.hang_up()


def open_shared(settings: Settings, width: int, reads: int) -> SharedRecords | None:
    """The tier for latents of `width` and so many reads at a time, None without an address.

    Nothing is connected yet: Redis may be away when a replica starts.
    """
    if settings.redis_url is None:
        return None
    client = _client(settings.redis_url.get_secret_value(), settings, reads)
    breaker = CircuitBreaker(REST_SECONDS)
    tier = RedisTier(client, width, breaker, CircuitBreaker(REST_SECONDS))
    return SharedRecords(tier, WriteBehind(tier), breaker, client.close)


def _client(url: str, settings: Settings, reads: int) -> Any:
    try:
        from service.redis_client import RedisLimits, TimelyRedis  # noqa: PLC0415  # an extra that only this needs
    except ImportError as error:
        raise SettingsError(
            f"{PREFIX}REDIS_URL is given, but {error.name} is missing; install the extra 'redis'"
        ) from error
    return TimelyRedis(url, RedisLimits(settings.redis_timeout_ms / 1000, settings.redis_ttl_seconds, reads))
