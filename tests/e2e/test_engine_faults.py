"""What the engine can do to a service: hang, die, fail. On the real process; `faulty_service` brings it about."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.e2e.server_process import ServerProcess, serving, titles

FAULTY = "tests.e2e.faulty_service"


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a run of `y` waits for: opening it for writing lets it go on."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    monkeypatch.setenv("FAULT_PIPE", str(path))
    return path


@pytest.fixture
def server(bundle: Path, pipe: Path) -> Iterator[ServerProcess]:
    with serving(bundle, module=FAULTY, sessions=2, batch_seconds=0.5) as started:
        yield started


def code(server: ServerProcess, *candidates: str) -> str | None:
    """The reply's error code; None for a success."""
    problem: str | None = server.score("red", list(candidates)).json().get("code")
    return problem


def test_a_hanging_backend_is_answered_turns_readiness_off_and_others_are_served(server: ServerProcess) -> None:
    with ThreadPoolExecutor(4) as pool:
        hanging = pool.submit(code, server, "good z", "bad")
        others = [pool.submit(code, server, f"good {letter}") for letter in "abc"]
        assert hanging.result() == "inference_failed"
        assert [other.result() for other in others] == [None, None, None]
    assert server.http.get("/readyz").status_code == 503
    assert "hang" in server.http.get("/readyz").json()["detail"]
    assert server.http.get("/livez").status_code == 200
    assert server.metrics()["aisle_stuck_batches"] >= 1
    assert code(server, "good d") is None


def test_readiness_comes_back_with_a_thread_that_does(server: ServerProcess, pipe: Path) -> None:
    assert code(server, "good y") == "inference_failed"
    assert server.http.get("/readyz").status_code == 503
    pipe.write_bytes(b"")
    server.wait_until(lambda: server.http.get("/readyz").status_code == 200)
    assert server.metrics()["aisle_stuck_batches"] == 0
    assert code(server, "good e") is None


def test_when_every_thread_hangs_again_and_again_the_process_asks_for_a_restart(server: ServerProcess) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda letter: code(server, f"z {letter}"), "abcdefgh"))
    assert set(codes) == {"inference_failed"}
    assert server.http.get("/livez").status_code == 503


def test_a_process_with_a_hanging_thread_still_ends_on_sigterm(server: ServerProcess) -> None:
    assert code(server, "good z") == "inference_failed"
    started = time.monotonic()
    server.terminate()
    assert server.exit_code() == 0
    assert time.monotonic() - started < 15


def test_a_thread_that_is_ended_fails_its_request_and_no_other(server: ServerProcess) -> None:
    for letter in "abcd":
        assert code(server, f"good x {letter}") == "inference_failed"
        assert code(server, f"good {letter}") is None
    assert server.http.get("/readyz").status_code == 200


def test_rows_that_raise_or_give_no_number_among_many_requests_fail_only_their_own(server: ServerProcess) -> None:
    lists = [[*titles(6, start=6 * number), *(["boom"] if number % 5 == 0 else [])] for number in range(30)]
    lists += [["nan", *titles(3, start=500)]]
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda candidates: code(server, *candidates), lists))
    assert codes == ["inference_failed" if {"boom", "nan"} & set(candidates) else None for candidates in lists]
    assert server.http.get("/readyz").status_code == 200


def test_a_full_queue_turns_readiness_off_until_it_has_come_down(bundle: Path, pipe: Path) -> None:
    limits = {"max_candidates": 100, "queue_tokens": 2200, "micro_batch_tokens": 64, "sessions": 1}
    with serving(bundle, module=FAULTY, **limits) as server, ThreadPoolExecutor(2) as pool:
        held = pool.submit(server.score, "red", ["y " + "lamp " * 11, *titles(99)])
        server.wait_for_metric("aisle_queue_pairs", 1)
        refused = server.score("red", [f"{title} {'lamp ' * 8}" for title in titles(100, start=100)])
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert server.http.get("/readyz").status_code == 503
        pipe.write_bytes(b"")
        assert held.result().status_code == 200
        assert server.http.get("/readyz").status_code == 200
