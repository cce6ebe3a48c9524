"""Giving records to a shared tier in a thread of its own, so that no micro-batch waits for the network."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Final

from relevance.product_record import ProductRecord
from service.product_tiers import SharedTier

logger = logging.getLogger(__name__)

ROOM: Final = 4096
"""Most records that wait: some megabytes, seconds of one core's encoding."""

TOGETHER: Final = 128
"""Most records given at a time."""

CLOSE_SECONDS: Final = 1.0


class WriteBehind:
    """A shared tier whose `put` returns at once. What there is no room for is dropped and counted.

    Before `start` nothing is taken: there is no thread yet that would give it.
    """

    def __init__(self, tier: SharedTier, room: int = ROOM) -> None:
        self.dropped = 0
        self._tier, self._room = tier, room
        self._waiting: deque[tuple[bytes, ProductRecord]] = deque()
        self._changed = threading.Condition()
        self._open = False
        self._thread = threading.Thread(target=self._run, name="write-behind", daemon=True)

    @property
    def waiting(self) -> int:
        """Records that have not been given yet."""
        return len(self._waiting)

    def start(self) -> None:
        """Take records from now on."""
        self._open = True
        self._thread.start()

    def get(self, keys: Sequence[bytes]) -> list[ProductRecord | None]:
        """As of the tier, in the calling thread."""
        return self._tier.get(keys)

    def put(self, keys: Sequence[bytes], records: Sequence[ProductRecord]) -> None:
        """Have these given soon, as far as there is room."""
        with self._changed:
            if not self._open:
                return
            free = max(0, self._room - len(self._waiting))
            self._waiting.extend(islice(zip(keys, records, strict=True), free))
            self.dropped += max(0, len(keys) - free)
            self._changed.notify()

    def close(self) -> None:
        """Forget what waits: it can be computed again. The call that runs may end."""
        with self._changed:
            was_open, self._open = self._open, False
            self._waiting.clear()
            self._changed.notify()
        if was_open:
            self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while given := self._next():
            keys, records = zip(*given, strict=True)
            try:
                self._tier.put(keys, records)
            except Exception:
                # Without its thread the queue would stay full until the next start.
                logger.exception(
                    "records could not be given to the shared tier", extra={"fields": {"records": len(given)}}
                )

    def _next(self) -> list[tuple[bytes, ProductRecord]]:
        """What is to be given, as soon as there is something; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or not self._open)
            return [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
