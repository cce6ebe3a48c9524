"""An optional tier that replicas share: records in Redis, between the catalogue and computing.

Redis is a convenience here and never a need: whatever goes wrong with it is a miss. A call that fails counts against a
circuit breaker, and while that is open Redis is not asked at all. A record cannot be stale, as its key is a digest of
content and encoder version.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import Final, Protocol, TypeVar

from relevance.catalogue.errors import DamagedRecordError
from relevance.catalogue.record_format import pack_record, unpack_record
from relevance.product_record import ProductRecord
from service.caches import Lookups
from service.circuit_breaker import CircuitBreaker

logger = logging.getLogger(__name__)

PREFIX: Final = b"aisle:record:1:"
"""Before each key; the number is that of the record's format."""

Answer = TypeVar("Answer")


class RefusedError(Exception):
    """Redis answers, and does not take a record: it is full, or one that is only read. No secret is in the text."""


class RedisClient(Protocol):
    """What is used of a client. Whatever it raises is a failure; `mget` must end in time, as a request waits for it."""

    def mget(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        """The value of each key, None where there is none."""

    def mset(self, mapping: Mapping[bytes, bytes]) -> object:
        """Set all keys to their values; RefusedError if Redis answers that it does not."""


class RedisTier:
    """Records of latents of `width`. Thread-safe if its client is. Calls block for as long as the client's.

    `breaker` is for a Redis that is away, `writes` for one that answers and takes no records: that is still asked.
    """

    def __init__(self, client: RedisClient, width: int, breaker: CircuitBreaker, writes: CircuitBreaker) -> None:
        self.lookups = Lookups()
        self.failures = self.damaged = self.unwritten = 0
        self._client, self._width, self._breaker, self._writes = client, width, breaker, writes
        self._lock = Lock()

    @property
    def size_bytes(self) -> int:
        """None of this process's memory."""
        return 0

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The record of each key, None where Redis has none that is whole, or is away."""
        packed = self._call(lambda: self._values(keys)) if keys else []
        if packed is None:
            packed = [None for _ in keys]
        records = self._unpacked(packed, keys)
        with self._lock:
            self.lookups.hits += len(records) - records.count(None)
            self.lookups.misses += records.count(None)
        return records

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Give other replicas what was computed here, if Redis takes it."""
        if keys:
            packed = {PREFIX + key: pack_record(key, record) for key, record in zip(keys, records, strict=True)}
            if not (self._writes.allows() and self._call(lambda: self._taken(packed))):
                with self._lock:
                    self.unwritten += len(packed)

    def _taken(self, packed: Mapping[bytes, bytes]) -> bool:
        try:
            self._client.mset(packed)
        except RefusedError as error:
            with self._lock:
                self.failures += 1
            if self._writes.failed():
                fields = {"reason": f"{error}"}
                logger.error("Redis takes no records for a while, it is asked all the same", extra={"fields": fields})
            return False
        if self._writes.succeeded():
            logger.info("Redis takes records again")
        return True

    def _values(self, keys: Sequence[bytes]) -> Sequence[bytes | None]:
        values = self._client.mget([PREFIX + key for key in keys])
        if len(values) != len(keys):
            raise ValueError(f"{len(values)} values for {len(keys)} keys")
        return values

    def _call(self, ask: Callable[[], Answer]) -> Answer | None:
        if not self._breaker.allows():
            return None
        try:
            answer = ask()
        # A client has errors of many kinds, and there is one thing to do for each of them.
        except Exception as error:
            self._failed(f"{type(error).__name__}: {error}")
            return None
        if self._breaker.succeeded():
            logger.info("Redis answers again")
        return answer

    def _failed(self, reason: str) -> None:
        with self._lock:
            self.failures += 1
        if self._breaker.failed():
            logger.error(
                "Redis is left alone for a while, products are computed instead", extra={"fields": {"reason": reason}}
            )

    def _unpacked(self, packed: Sequence[bytes | None], keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """The records of one answer; its damaged ones are told in one line, as all of them may be so."""
        records: list[ProductRecord | None] = []
        faults: list[str] = []
        for value, key in zip(packed, keys, strict=True):
            try:
                records.append(None if value is None else self._record(value, key))
            except DamagedRecordError as error:
                records.append(None)
                faults.append(f"{key.hex()}: {error}")
        if faults:
            with self._lock:
                self.damaged += len(faults)
            fields = {"records": len(faults), "first": faults[0]}
            logger.error("records of Redis cannot be used and are computed anew", extra={"fields": fields})
        return records

    def _record(self, value: bytes, key: bytes) -> ProductRecord:
        if not isinstance(value, bytes):
            raise DamagedRecordError("it is not a string of bytes")
        return unpack_record(value, key, self._width)
