"""Leaving alone for a while what has failed: a request waits once, not several times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed at first. After a failure it is open for `rest_seconds`; then one call at a time may try.

    Thread-safe. Ask `allows` before each call and tell how it went with `succeeded` or `failed`.
    """

    def __init__(self, rest_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.is_open = False
        self._rest, self._clock = rest_seconds, clock
        self._lock = threading.Lock()
        self._next_try = 0.0

    def allows(self) -> bool:
        """Whether to make a call now. While open: once each `rest_seconds`, for whoever asks first."""
        with self._lock:
            if not self.is_open:
                return True
            now = self._clock()
            if now < self._next_try:
                return False
            self._next_try = now + self._rest
            return True

    def succeeded(self) -> bool:
        """A call went well; True if that closes the breaker."""
        with self._lock:
            closes, self.is_open = self.is_open, False
        return closes

    def failed(self) -> bool:
        """A call failed; True if that opens the breaker."""
        with self._lock:
            opens, self.is_open = not self.is_open, True
            self._next_try = self._clock() + self._rest
        return opens
