"""Closed-loop clients: each sends its next request when the last reply is in. Light, for it shares the machine."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

TIMEOUT_SECONDS = 60.0


@dataclass(slots=True)
class ClosedLoopResult:
    """Answered requests, the time they took (s) and each one's latency (s)."""

    requests: int
    seconds: float
    latencies: list[float] = field(repr=False)


def drive(address: tuple[str, int], bodies: Sequence[bytes], clients: int, seconds: float) -> ClosedLoopResult:
    """Send `bodies` round-robin from `clients` threads for `seconds`; RuntimeError on any reply but 200."""
    latencies: list[list[float]] = [[] for _ in range(clients)]
    failures: list[str] = []
    started = time.perf_counter()

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=TIMEOUT_SECONDS)
        turn = number
        try:
            while time.perf_counter() - started < seconds and not failures:
                sent = time.perf_counter()
                _post(connection, bodies[turn % len(bodies)])
                latencies[number].append(time.perf_counter() - sent)
                turn += clients
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(str(error) or type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"the service at {address[0]}:{address[1]} failed: {failures[0]}")
    merged = [latency for own in latencies for latency in own]
    return ClosedLoopResult(len(merged), time.perf_counter() - started, merged)


def _post(connection: http.client.HTTPConnection, body: bytes) -> None:
    connection.request("POST", "/score", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {content[:300].decode(errors='replace')}")
