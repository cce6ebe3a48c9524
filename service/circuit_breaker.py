"""Leaving alone for a while what has failed several times in a row, so that a failure costs nobody's time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Closed at first. After `failures` in a row it is open for `rest_seconds`; then one call at a time may try.

    Thread-safe. Ask `allows` before each call and tell how it went with `succeeded` or `failed`.
    """

    def __init__(self, failures: int, rest_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit, self._rest, self._clock = failures, rest_seconds, clock
        self._lock = threading.Lock()
        self._in_a_row = 0
        self._next_try = 0.0

    @property
    def is_open(self) -> bool:
        """Whether so many calls have failed in a row that calls are held back."""
        return self._in_a_row >= self._limit

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
            closes = self.is_open
            self._in_a_row = 0
        return closes

    def failed(self) -> bool:
        """A call failed; True if that opens the breaker."""
        with self._lock:
            was_open = self.is_open
            self._in_a_row += 1
            if self.is_open:
                self._next_try = self._clock() + self._rest
            return self.is_open and not was_open
