"""Where a request's CPU time goes, by thread of the service, beside what the bare graph takes for its pairs.

`python -m docs.scripts.thread_cpu` drives the bundled model, caches off, with 50 candidates from 8 clients and 10 from
4. It prints a line of JSON each: milliseconds of CPU for one request, and the padding in its micro-batches.
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from itertools import cycle
from pathlib import Path

from loadtest.bench.arena import BODIES, NO_CACHES, Contestant, aisles
from loadtest.measured import Measured
from loadtest.raw_session import Drive, RawSessions
from loadtest.workload import Workload
from relevance.bundle import load_bundle

LOADS = ((50, 8), (10, 4))
SECONDS = 4.0


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=Path("models/cross-encoder"))
    bundle = load_bundle(parser.parse_args().bundle)
    raw = RawSessions(bundle, Workload(seed=0, candidates=50).bodies(BODIES)).ceiling(SECONDS / 2)
    with aisles(bundle, {"aisle": NO_CACHES}) as services:
        for candidates, clients in LOADS:
            print(json.dumps(_load(services["aisle"], candidates, clients) | {"raw_graph": _graph(raw, candidates)}))


def _load(service: Contestant, candidates: int, clients: int) -> dict[str, object]:
    calls = cycle(service.calls(Workload(seed=1, candidates=candidates).bodies(BODIES)))
    service.drive(calls, clients, 1.0)
    threads, padding, own = _threads(service), _padding(service), time.process_time()
    measured = service.drive(calls, clients, SECONDS)
    requests, client = len(measured.latencies), time.process_time() - own
    spent = sorted((after - threads.get(thread, 0.0) for thread, after in _threads(service).items()), reverse=True)
    waste = [after - before for after, before in zip(_padding(service), padding, strict=True)]
    return {
        "load": f"{candidates} candidates, {clients} clients",
        "requests": requests,
        "pairs_per_s": round(measured.pairs_per_second),
        "threads_ms": [round(seconds * 1e3 / requests, 2) for seconds in spent if seconds * 1e3 / requests >= 0.05],
        "client_ms": round(client * 1e3 / requests, 2),
        "padding_waste": round(waste[0] / waste[1], 4),
    }


def _graph(raw: Drive, candidates: int) -> float:
    """Milliseconds of CPU that the bare graph takes for so many pairs."""
    before = time.process_time()
    measured: Measured = raw.measure(SECONDS)
    return round((time.process_time() - before) * 1e3 / measured.pairs * candidates, 2)


def _threads(service: Contestant) -> dict[str, float]:
    """Seconds of CPU of each of the service's threads."""
    tasks = Path(f"/proc/{service.server.pid}/task").iterdir()
    return {task.name: int((task / "schedstat").read_text().split()[0]) / 1e9 for task in tasks}


def _padding(service: Contestant) -> tuple[float, float]:
    """Sum and number of the micro-batches' shares of padding."""
    url = f"http://{service.target.host}:{service.target.port}/metrics"
    with urllib.request.urlopen(url, timeout=service.target.timeout) as reply:
        lines = [line.split() for line in reply.read().decode().splitlines()]
    found = {line[0]: float(line[1]) for line in lines if line and line[0].startswith("aisle_padding_waste_ratio_")}
    return found["aisle_padding_waste_ratio_sum"], found["aisle_padding_waste_ratio_count"]


if __name__ == "__main__":
    main()
