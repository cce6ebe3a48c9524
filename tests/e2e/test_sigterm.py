"""SIGTERM in the middle of a rush, on the real process: nobody who asked is left without an answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import MANY, SECONDS, SLOW, ServerProcess, serving, titles
from tests.service.tiny_bundle import write_bundle

LARGE, SMALL = 8, 24
"""Clients with one body of MANY candidates each, which keep the service busy; clients that ask on and on."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with serving(write_bundle(tmp_path / "bundle").directory, **SLOW) as started:
        yield started


def ask_until_refused(server: ServerProcess, number: int, keeps_connection: bool) -> list[httpx.Response]:
    """Every reply to a client that sends its next request when the last reply is in; the last one is no success."""
    replies: list[httpx.Response] = []
    with httpx.Client(base_url=server.http.base_url, timeout=SECONDS) as http:
        while not replies or replies[-1].status_code == 200:
            query = f"red {titles(1, start=100_000 * (number + 1) + len(replies))[0]}"
            body = {"query": query, "candidates": ["good"]}
            headers = {} if keeps_connection else {"connection": "close"}
            replies.append(http.post("/score", json=body, headers=headers))
    return replies


def test_under_load_every_request_is_answered_or_told_503(server: ServerProcess) -> None:
    with ThreadPoolExecutor(LARGE + SMALL) as pool:
        large = [pool.submit(server.score, "red", titles(MANY, start=MANY * number)) for number in range(LARGE)]
        server.wait_for_metric("aisle_in_flight_requests", LARGE)
        small = [pool.submit(ask_until_refused, server, number, number % 2 == 0) for number in range(SMALL)]
        server.wait_for_metric("aisle_stage_seconds_count|total", 2 * SMALL)
        server.terminate()
        # A request that is lost, reset or cut short raises here.
        rows = [reply for future in small for reply in future.result()]
        whole = [future.result() for future in large]
    assert server.exit_code() == 0
    assert [(reply.status_code, reply.json()["scored"]) for reply in whole] == [(200, MANY)] * LARGE
    refused = [reply for reply in rows if reply.status_code != 200]
    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [(503, "draining")] * SMALL
    lines = server.log_fields()
    assert not any(line["message"] == "drain time is over" for line in lines)
    logged = Counter(line["status"] for line in lines if line.get("path") == "/score")
    assert logged == Counter(reply.status_code for reply in [*rows, *whole])


def test_a_reply_in_that_time_is_the_last_on_its_connection(server: ServerProcess) -> None:
    with ThreadPoolExecutor(1) as pool:
        before = server.score("red", ["good"])
        accepted = pool.submit(server.score, "red", titles(MANY))
        server.wait_for_metric("aisle_in_flight_requests", 1)
        server.terminate()
        after = accepted.result()
    assert (before.status_code, before.headers.get("connection")) == (200, None)
    assert (after.status_code, after.headers.get("connection")) == (200, "close")
    assert server.exit_code() == 0
