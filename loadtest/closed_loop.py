"""Closed-loop clients: each sends its next request when the last reply is in. Light, for it shares the machine."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterable, Iterator

from loadtest.measured import Measured
from loadtest.systems import Call, Target

JSON_HEADERS = {"Content-Type": "application/json"}


def drive(target: Target, calls: Iterable[Call], clients: int, seconds: float) -> Measured:
    """Send `calls` from `clients` threads until there are no more or `seconds` are over.

    Raises RuntimeError, which names the target, on any reply but 200 and on none within its timeout.
    """
    source = _Source(calls)
    done: list[list[tuple[int, float]]] = [[] for _ in range(clients)]
    failures: list[str] = []
    started = time.perf_counter()

    def client(own: list[tuple[int, float]]) -> None:
        connection = http.client.HTTPConnection(target.host, target.port, timeout=target.timeout)
        try:
            while time.perf_counter() - started < seconds and not failures and (call := source.take()) is not None:
                sent = time.perf_counter()
                post(connection, target.path, call.content)
                own.append((call.pairs, time.perf_counter() - sent))
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            failures.append(_reason(target, error))
        finally:
            connection.close()

    threads = [threading.Thread(target=client, args=(own,)) for own in done]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - started
    if failures:
        raise target.failure(failures[0])
    merged = [one for own in done for one in own]
    return Measured(sum(pairs for pairs, _ in merged), took, [latency for _, latency in merged])


def ask(target: Target, call: Call) -> bytes:
    """Send one request and return the body of its reply; raises as `drive` does."""
    connection = http.client.HTTPConnection(target.host, target.port, timeout=target.timeout)
    try:
        return post(connection, target.path, call.content)
    except (OSError, http.client.HTTPException, RuntimeError) as error:
        raise target.failure(_reason(target, error)) from error
    finally:
        connection.close()


def post(connection: http.client.HTTPConnection, path: str, content: bytes) -> bytes:
    """The body of the reply; RuntimeError on any status but 200."""
    connection.request("POST", path, content, JSON_HEADERS)
    response = connection.getresponse()
    reply = response.read()
    if response.status != 200:
        raise RuntimeError(f"status {response.status}: {reply[:300].decode(errors='replace')}")
    return reply


def _reason(target: Target, error: Exception) -> str:
    return f"no reply within {target.timeout:g} s" if isinstance(error, TimeoutError) else str(error) or repr(error)


class _Source:
    """Hands one call at a time to whichever thread asks."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._calls: Iterator[Call] = iter(calls)
        self._lock = threading.Lock()

    def take(self) -> Call | None:
        with self._lock:
            return next(self._calls, None)
