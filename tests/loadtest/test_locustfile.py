"""Locust as people start it: a master and two workers, on one machine, against a stub."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

from loadtest.server import Launch, free_port, started
from tests.loadtest.stub_server import ranked_texts, scores_of_titles, stub, url_of

ROOT = Path(__file__).parents[2]
NO_ANSWER = re.compile(r"no request was answered, (\d+) failed; is the service running\?")
SUMMARY = re.compile(r"(\d+) requests, (\d+) failed, p50 \d+ ms p95 \d+ ms p99 \d+ ms, \d+ pairs/s")


def locust(*options: str, **environment: str) -> subprocess.Popen[str]:
    command = (sys.executable, "-m", "locust", "-f", "loadtest/locustfile.py", "--headless", *options)
    inherited = {**os.environ, "LOADTEST_CANDIDATES": "3", **environment}
    return subprocess.Popen(
        command, cwd=ROOT, env=inherited, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def test_two_workers_share_the_load_and_send_different_requests() -> None:
    port, lock = str(free_port()), threading.Lock()
    bodies: list[bytes] = []

    def answer(body: bytes) -> tuple[int, bytes]:
        with lock:
            bodies.append(body)
        return scores_of_titles(body)

    load = ("--tags", "score", "--users", "4", "--spawn-rate", "4", "--run-time", "2s", "--only-summary")
    with stub(answer) as target:
        master = locust(
            *("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port),
            *("--expect-workers", "2", "--expect-workers-max-wait", "90", "--host", url_of(target), *load),
            LOADTEST_THINK_SECONDS="0.02",
        )
        workers = [
            locust(
                "--worker",
                "--master-host",
                "127.0.0.1",
                "--master-port",
                port,
                "--tags",
                "score",
                LOADTEST_THINK_SECONDS="0.02",
            )
            for _ in range(2)
        ]
        try:
            told = master.communicate(timeout=150)[0]
            logs = [worker.communicate(timeout=60)[0] for worker in workers]
        finally:
            for process in (master, *workers):
                process.kill()
    found = SUMMARY.search(told)
    assert found, told
    assert int(found[1]) > 0
    assert found[2] == "0"
    assert (master.returncode, [worker.returncode for worker in workers]) == (0, [0, 0])
    assert not any(SUMMARY.search(log) for log in logs)
    # Popular queries come again; workers that sent the same requests would leave about a third.
    assert len(set(bodies)) > len(bodies) / 2


def test_garbage_is_a_failure() -> None:
    with stub(lambda _: (200, b"<html>")) as target:
        # Beside other work the first user may need a second to make up what it asks for.
        alone = locust("--users", "1", "--run-time", "5s", "--only-summary", "--host", url_of(target))
        told = alone.communicate(timeout=120)[0]
    found = NO_ANSWER.search(told)
    assert found, told
    assert int(found[1]) > 0
    assert not SUMMARY.search(told)
    assert "not scores" in told
    assert alone.returncode == 1


def test_pairs_are_those_of_answers() -> None:
    """Of eight requests in two seconds six failed at once."""
    code = """
from types import SimpleNamespace
from locust.stats import RequestStats
from loadtest.locustfile import _print_percentiles

stats = RequestStats()
for number in range(8):
    stats.log_request("POST", "/score", 10, 100)
    if number < 6:
        stats.log_error("POST", "/score", "status 401")
stats.total.start_time, stats.total.last_request_timestamp = 100.0, 102.0
_print_percentiles(SimpleNamespace(runner=None, stats=stats))
"""
    environment = {**os.environ, "LOADTEST_CANDIDATES": "50"}
    done = subprocess.run(
        (sys.executable, "-c", code), cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "8 requests, 6 failed, p50 10 ms p95 10 ms p99 10 ms, 50 pairs/s\n"


def test_tags_choose_the_routes() -> None:
    kinds: set[str] = set()

    def answer(body: bytes) -> tuple[int, bytes]:
        (kind,) = {"texts", "documents", "candidates"} & json.loads(body).keys()
        kinds.add(kind)
        return ranked_texts(body) if kind == "texts" else (200, b"{}")

    with stub(answer, headers={"x-aisle-degraded": "true"}) as target:
        load = ("--users", "1", "--run-time", "5s", "--only-summary", "--host", url_of(target))
        told = locust(*load, "--tags", "tei").communicate(timeout=120)[0]
        assert kinds == {"texts"}
        assert re.search(r"POST +/rerank +degraded|POST /rerank: degraded", told), told
        told = locust(*load).communicate(timeout=120)[0]
    assert kinds == {"texts", "documents", "candidates"}
    assert all(path in told for path in ("/score", "/v2/rerank", "/v1/rerank", "/rerank"))


def test_without_headless_there_is_the_web_page() -> None:
    port = free_port()
    options = ("-f", str(ROOT / "loadtest" / "locustfile.py"), "--web-host", "127.0.0.1", "--web-port", str(port))
    with started(Launch("locust", (sys.executable, "-m", "locust", *options), port, "/")) as server:
        server.wait_until_ready()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as page:
            assert b"Shopper" in page.read()
