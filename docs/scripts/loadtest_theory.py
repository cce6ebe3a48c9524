"""Is the open loop honest? Its send lag against a stub, and its latencies against queueing theory, as one JSON line.

`python -m docs.scripts.loadtest_theory` sends 500 requests/s of 10 candidates to a stub that answers at once and
tells the generator's lag; then Poisson arrivals to a stub that takes 10 ms for each request, one at a time, at
50, 70 and 90 % of what it can do. `theory` is M/D/1's quantile, `same_arrivals` what exactly these arrivals give;
ratios are measured over each. Run it on a quiet machine: stub and generator take a core each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from loadtest.arrivals import Times, constant_arrivals, poisson_arrivals
from loadtest.inspection import inspect_score
from loadtest.measured import quantile_ms
from loadtest.open_loop import Plan, Sent, send
from loadtest.outcomes import lag_ms, latency_ms
from loadtest.queue_theory import latencies_of, latency_quantile
from loadtest.systems import Aisle, Target
from loadtest.workload import Workload

CANDIDATES = 10
HOST = "127.0.0.1"
QUANTILES = (0.5, 0.99)
REPLY = json.dumps(
    {"results": [{"index": i, "score": 0.5} for i in range(CANDIDATES)], "total": CANDIDATES, "degraded": False}
).encode()
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(REPLY), REPLY)


class Line:
    """One server that takes `service` seconds for each request, first come first served; 0: it answers at once."""

    def __init__(self, service: float) -> None:
        self._service = service
        self._waiting: queue.SimpleQueue[tuple[float, asyncio.Transport]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._serve, daemon=True).start()

    def take(self, transport: asyncio.Transport) -> None:
        """Answer a request in its turn."""
        if self._service == 0:
            transport.write(ANSWER)
        else:
            self._waiting.put((time.monotonic(), transport))

    def _serve(self) -> None:
        free = 0.0
        while True:
            came, transport = self._waiting.get()
            # Counted on from the last end, not from when this thread woke: a server of exactly this speed.
            free = max(free, came) + self._service
            time.sleep(max(0.0, free - time.monotonic()))
            self._loop.call_soon_threadsafe(transport.write, ANSWER)


class Speaker(asyncio.Protocol):
    """The least of HTTP: finds the end of each request by its declared length."""

    def __init__(self, line: Line) -> None:
        self._line, self._got = line, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to answer."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """A client sends its next request when it has the answer: there is at most one."""
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) >= int(length.partition(b":")[2]):
            self._got = b""
            self._line.take(self._transport)


async def _listen(service: float, to_parent: Connection) -> None:
    line = Line(service)
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(line), HOST, 0, backlog=1024)
    to_parent.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _run_stub(service: float, to_parent: Connection) -> None:
    asyncio.run(_listen(service, to_parent))


@contextmanager
def stub(service: float) -> Iterator[Target]:
    """A stub in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_run_stub, args=(service, there), daemon=True)
    process.start()
    try:
        yield Target("stub", HOST, here.recv(), "/score", 60.0)
    finally:
        process.terminate()
        process.join()


def sent_to(target: Target, arrivals: Sequence[float]) -> Sent:
    """The arrivals with bodies of ten candidates."""
    calls = [Aisle().call(body) for body in Workload(0, CANDIDATES).bodies(500)]
    sent = send(Plan(target, arrivals, calls, inspect=inspect_score))
    if missing := sum(not outcome.answered for outcome in sent.outcomes):
        raise RuntimeError(f"{missing} of {len(sent.outcomes)} requests were not answered")
    return sent


def send_lag(rate: float, seconds: float) -> dict[str, Any]:
    """How late the generator is, and the share of one core that it uses, for each kind of arrivals."""
    found = {}
    kinds: dict[str, Times] = {
        "constant": constant_arrivals(rate, seconds),
        "poisson": poisson_arrivals(rate, seconds, seed=0),
    }
    for kind, arrivals in kinds.items():
        with stub(0.0) as target:
            sent = sent_to(target, arrivals)
        found[kind] = {
            "requests": len(arrivals),
            "lag_p50_ms": lag_ms(sent.outcomes, 0.5),
            "lag_p99_ms": lag_ms(sent.outcomes),
            "latency_p99_ms": latency_ms(sent.outcomes, 0.99),
            "cpu_share": round(sent.cpu_seconds / sent.seconds, 3),
        }
    return {"rate": rate, **found}


def against_theory(load: float, service: float, seconds: float) -> dict[str, Any]:
    """Measured quantiles beside those of M/D/1, and those of the same arrivals at a server without any overhead."""
    arrivals = poisson_arrivals(load / service, seconds, seed=1)
    with stub(service) as target:
        outcomes = sent_to(target, arrivals).outcomes
    same = latencies_of(arrivals, service)
    found: dict[str, Any] = {"load": load, "requests": len(arrivals)}
    for quantile in QUANTILES:
        measured, exact = latency_ms(outcomes, quantile), quantile_ms(same, quantile)
        theory = 1000 * latency_quantile(quantile, load, service)
        assert measured is not None and exact is not None
        found[f"p{round(100 * quantile)}"] = {
            "measured_ms": measured,
            "theory_ms": round(theory, 2),
            "same_arrivals_ms": exact,
            "to_theory": round(measured / theory, 3),
            "to_same_arrivals": round(measured / exact, 3),
        }
    return found


def main() -> None:
    """Print the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=500.0, help="requests/s of the send lag")
    parser.add_argument("--lag-seconds", type=float, default=20.0)
    parser.add_argument("--service-ms", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=120.0, help="of each load")
    given = parser.parse_args()
    lag = send_lag(given.rate, given.lag_seconds)
    loads = [against_theory(load, given.service_ms / 1000, given.seconds) for load in (0.5, 0.7, 0.9)]
    print(json.dumps({"send_lag": lag, "m_d_1": {"service_ms": given.service_ms, "loads": loads}}))


if __name__ == "__main__":
    main()
