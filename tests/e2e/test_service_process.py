from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.signals import SIGNALS
from tests.e2e.server_process import MANY, ROOT, SLOW, ServerProcess, command, failing_start, serving, titles

GOOD = {"query": "red shoe", "candidates": ["good good bad", "bad"]}
SCORE_BOUND = 1e-6
"""How far a pair's score may move with the batch around it, for an fp32 graph. The tiny one sums rows alone."""


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[ServerProcess]:
    with serving(bundle) as started:
        yield started


def test_it_is_ready_and_scores(server: ServerProcess) -> None:
    assert server.http.get("/livez").status_code == 200
    assert server.http.get("/readyz").status_code == 200
    reply = server.http.post("/score", json=GOOD)
    assert reply.status_code == 200
    assert [result["rank"] for result in reply.json()["results"]] == [1, 2]


BAD_BODIES: list[tuple[str, bytes, int, str]] = [
    ("empty body", b"", 422, "invalid_input"),
    ("no JSON", b"hello", 422, "invalid_input"),
    ("cut JSON", b'{"query": "q", "candidates": ["a"', 422, "invalid_input"),
    ("deep JSON", b"[" * 200_000, 422, "invalid_input"),
    ("array", b"[]", 422, "invalid_input"),
    ("null query", b'{"query": null, "candidates": ["a"]}', 422, "invalid_input"),
    ("null candidate", b'{"query": "q", "candidates": [null]}', 422, "invalid_input"),
    ("number candidate", b'{"query": "q", "candidates": [1]}', 422, "invalid_input"),
    ("unknown field", b'{"query": "q", "candidates": ["a"], "top": 1}', 422, "invalid_input"),
    ("NaN", b'{"query": "q", "candidates": ["a"], "deadline_ms": NaN}', 422, "invalid_input"),
    ("Infinity", b'{"query": "q", "candidates": [{"title": "a", "prior": Infinity}]}', 422, "invalid_input"),
    ("lone surrogate", b'{"query": "q", "candidates": ["a", "\\ud800"]}', 422, "invalid_input"),
    ("not UTF-8", b'{"query": "\xff", "candidates": ["a"]}', 422, "invalid_input"),
    ("blank title", b'{"query": "q", "candidates": ["a", " "]}', 422, "invalid_input"),
    ("negative deadline", b'{"query": "q", "candidates": ["a"], "deadline_ms": -1}', 422, "invalid_input"),
    ("blank query", b'{"query": " ", "candidates": ["a"]}', 400, "empty_input"),
    ("no candidates", b'{"query": "q", "candidates": []}', 400, "empty_input"),
    ("no requests", b'{"requests": []}', 400, "empty_input"),
    ("10,000 candidates", json.dumps({"query": "q", "candidates": ["a"] * 10_000}).encode(), 413, "too_large"),
    ("100,000 characters", json.dumps({"query": "q", "candidates": ["x" * 100_000]}).encode(), 413, "too_large"),
    ("10 MB", json.dumps({"query": "q", "candidates": ["x" * 10_000_000]}).encode(), 413, "too_large"),
    ("poisoned pair", b'{"query": "q", "candidates": ["good", "boom"]}', 500, "inference_failed"),
    ("NaN logit", b'{"query": "q", "candidates": ["good", "nan"]}', 500, "inference_failed"),
    ("hopeless deadline", b'{"query": "q", "candidates": ["a"], "deadline_ms": 1e-9}', 504, "deadline_exceeded"),
]


@pytest.mark.parametrize(("body", "status", "code"), [case[1:] for case in BAD_BODIES], ids=[c[0] for c in BAD_BODIES])
def test_bad_input_is_a_problem_and_the_next_good_request_works(
    server: ServerProcess, body: bytes, status: int, code: str
) -> None:
    reply = server.http.post("/score", content=body)
    problem = reply.json()
    assert (reply.status_code, problem["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert server.http.post("/score", json=GOOD).status_code == 200
    assert server.http.get("/readyz").status_code == 200


def test_a_large_body_of_unknown_length_is_cut_off(server: ServerProcess) -> None:
    reply = server.http.post("/score", content=(b"x" * 100_000 for _ in range(100)))
    assert (reply.status_code, reply.json()["code"]) == (413, "too_large")
    assert server.http.post("/score", json=GOOD).status_code == 200


def test_the_largest_allowed_body_is_scored(server: ServerProcess) -> None:
    reply = server.score("red", ["good " * (index % 12 + 1) for index in range(1000)])
    assert reply.status_code == 200
    assert reply.json()["scored"] == 1000


def test_a_pair_has_the_same_score_alone_and_in_any_company(server: ServerProcess) -> None:
    titles = [f"good bad {'fair ' * (index % 8)}{'lamp ' * (index % 3)}" for index in range(64)]
    with ThreadPoolExecutor(8) as pool:
        lists = list(pool.map(lambda _: server.score("red shoe", titles).json()["results"], range(16)))
    for index, title in enumerate(titles[:16]):
        (alone,) = server.score("red shoe", [title]).json()["results"]
        assert all(abs(results[index]["score"] - alone["score"]) <= SCORE_BOUND for results in lists)


def test_metrics_agree_with_headers(bundle: Path) -> None:
    with serving(bundle) as server:
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda n: server.score("red", titles(n, 100 * n)), range(1, 21)))
        metrics = server.metrics()
        for stage in ("tokenize", "queue", "inference", "total"):
            told = sum(float(reply.headers[f"x-aisle-{stage}-ms"]) for reply in replies) / 1000
            assert metrics[f"aisle_stage_seconds_sum|{stage}"] == pytest.approx(told, abs=1e-9)
            assert metrics[f"aisle_stage_seconds_count|{stage}"] == 20
        assert metrics["aisle_scored_pairs_total"] == metrics["aisle_batch_pairs_sum"] == sum(range(1, 21))
        assert metrics["aisle_responses_total|/score|200"] == 20
        slowest = max(float(reply.headers["x-aisle-total-ms"]) for reply in replies) / 1000
        assert metrics["aisle_latency_last_minute_seconds|0.99"] <= slowest * 1.02
        for gauge in ("in_flight_requests", "queue_pairs", "queue_tokens", "admitted_tokens"):
            assert metrics[f"aisle_{gauge}"] == 0


def test_a_client_that_hangs_up_takes_its_work_along(bundle: Path) -> None:
    with serving(bundle, **SLOW) as server:
        body = json.dumps({"query": "red", "candidates": titles(MANY)}).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"POST /score HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            server.wait_for_metric("aisle_queue_pairs", 1)
        server.wait_for_metric("aisle_dropped_pairs_total|disconnected", 1)
        assert server.score("red", ["good"]).status_code == 200
        told = server.metrics()
        # Every pair but the last request's was run or dropped, and running stopped between two micro-batches.
        assert told["aisle_batch_pairs_sum"] - 1 + told["aisle_dropped_pairs_total|disconnected"] == MANY
        assert told["aisle_batch_pairs_sum"] < MANY
        assert (told["aisle_admitted_tokens"], told["aisle_queue_pairs"], told["aisle_in_flight_requests"]) == (0, 0, 0)


def test_sigterm_answers_every_accepted_request_and_exits_with_0(bundle: Path) -> None:
    clients = 6
    with serving(bundle, **SLOW) as server, ThreadPoolExecutor(clients) as pool:
        accepted = [pool.submit(server.score, "red", titles(MANY, MANY * number)) for number in range(clients)]
        server.wait_for_metric("aisle_in_flight_requests", clients)
        server.terminate()
        while (ready := server.http.get("/readyz")).status_code == 200:
            pass
        refused = server.score("red", ["good"])
        assert (ready.status_code, refused.status_code, refused.json()["code"]) == (503, 503, "draining")
        replies = [future.result() for future in accepted]
        assert [reply.status_code for reply in replies] == [200] * clients
        assert all(reply.json()["scored"] == MANY for reply in replies)
        assert server.exit_code() == 0


def test_what_is_not_answered_within_the_drain_time_is_told_so(bundle: Path) -> None:
    with serving(bundle, drain_seconds=0, **SLOW) as server, ThreadPoolExecutor(2) as pool:
        accepted = [pool.submit(server.score, "red", titles(MANY, MANY * number)) for number in range(2)]
        server.wait_for_metric("aisle_in_flight_requests", 2)
        server.terminate()
        replies = [future.result() for future in accepted]
        assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(503, "draining")}
        assert server.exit_code() == 0


def test_sigterm_ends_an_idle_server(bundle: Path) -> None:
    with serving(bundle) as server:
        server.terminate()
        assert server.exit_code() == 0


def test_the_log_is_json_and_never_has_a_key(bundle: Path) -> None:
    with serving(bundle, api_keys="hush-hush,other-secret", log_level="debug") as server:
        keyed = {"authorization": "Bearer hush-hush", "x-request-id": "shop-1"}
        assert server.http.post("/score", json=GOOD, headers=keyed).status_code == 200
        assert server.http.post("/score", json=GOOD, headers={"x-api-key": "wrong-secret"}).status_code == 401
        server.terminate()
        assert server.exit_code() == 0
    text = "".join(server.log)
    assert not any(secret in text for secret in ("hush-hush", "other-secret", "wrong-secret"))
    scored = [line for line in server.log_fields() if line.get("request_id") == "shop-1"]
    assert [(line["message"], line["path"], line["status"]) for line in scored] == [("request", "/score", 200)]


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def from_the_future(directory: Path) -> None:
    manifest = json.loads((directory / "manifest.json").read_text())
    (directory / "manifest.json").write_text(json.dumps(manifest | {"format_version": 2}))


BreakBundle = Callable[[Path], object]
FILES = ("manifest.json", "model.int8.onnx", "tokenizer.json", "README.md")
BROKEN: list[tuple[BreakBundle, str]] = [
    *((lambda directory, name=name: flip_byte(directory / name), name) for name in FILES),
    *((lambda directory, name=name: (directory / name).unlink(), name) for name in FILES),
    (from_the_future, "format_version 2"),
    (shutil.rmtree, "manifest.json"),
]


@pytest.mark.parametrize(
    ("break_bundle", "told"),
    BROKEN,
    ids=[*(f"altered {n}" for n in FILES), *(f"missing {n}" for n in FILES), "future", "no bundle"],
)
def test_a_broken_bundle_stops_the_start(bundle: Path, tmp_path: Path, break_bundle: BreakBundle, told: str) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    break_bundle(copy)
    code, lines = failing_start(copy)
    assert code == 1
    assert len(lines) == 1
    assert lines[0].startswith("aisle does not start: ")
    assert told in lines[0]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"prot": "80"}, "unknown setting AISLE_PROT"),
        ({"port": "x"}, "AISLE_PORT"),
        ({"host": "256.1.1.1"}, "AISLE_HOST='256.1.1.1'"),
        ({"api_keys": " ,"}, "AISLE_API_KEYS"),
        ({"queue_tokens": "300"}, "AISLE_QUEUE_TOKENS"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start(bundle: Path, settings: dict[str, Any], told: str) -> None:
    code, lines = failing_start(bundle, **settings)
    assert (code, len(lines)) == (1, 1)
    assert told in lines[0]


def test_a_taken_port_stops_the_start(bundle: Path, server: ServerProcess) -> None:
    code, lines = failing_start(bundle, port=server.port)
    assert (code, len(lines)) == (1, 1)
    assert f"AISLE_PORT={server.port}: Address already in use" in lines[0]


def test_a_port_that_is_taken_while_the_model_is_loaded_stops_the_start(bundle: Path) -> None:
    script = (
        "import socket, sys, service.start as start, service.serving as serving\n"
        "load, taken = serving.load, []\n"
        "def load_and_lose_the_port(settings):\n"
        "    taken.append(socket.create_server((settings.host, settings.port)))\n"
        "    return load(settings)\n"
        "serving.load = load_and_lose_the_port\n"
        "sys.exit(start.run())"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    _, environment = command(bundle, port=port)
    arguments = [sys.executable, "-c", script]
    done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    told = [line for line in done.stderr.splitlines() if json_level(line) != "info"]
    assert (done.returncode, len(told)) == (1, 1)
    assert f"AISLE_PORT={port}: Address already in use; stop what listens there" in told[0]


def json_level(line: str) -> str | None:
    """The level of a line of the log; None of what is none."""
    level: str | None = json.loads(line)["level"] if line.startswith("{") else None
    return level


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_before_the_port_opens_ends_it(number: signal.Signals) -> None:
    # By a handler of its own: for process 1 of a container there is no other.
    script = (
        "import os, time, service.__main__ as command, service.start, service.serving\n"
        f"service.serving.load = lambda settings: (os.kill(os.getpid(), {number:d}), time.sleep(60))\n"
        "command.main()"
    )
    arguments = [sys.executable, "-c", script]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (0, f"aisle was ended before it was ready: {number.name}\n")


def test_a_propagator_that_is_not_installed_is_no_matter_of_ours() -> None:
    environment = {**os.environ, "OTEL_PROPAGATORS": "tracecontext,b3"}
    arguments = [sys.executable, "-c", "import service.start, service.serving"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_serving_never_imports_what_only_training_needs() -> None:
    imported = "import sys, service.start, service.serving"
    script = f"{imported}; print(sorted({{'torch', 'transformers', 'onnx'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_connections_are_refused_once_it_has_ended(bundle: Path) -> None:
    with serving(bundle) as server:
        server.terminate()
        server.exit_code()
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{server.port}/livez")
