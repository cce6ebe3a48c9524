"""Several replicas behind one port, as real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import MANY, ROOT, SECONDS, SLOW, ServerProcess, command, failing_start, serving, titles
from tests.e2e.test_sigterm import ask_until_refused

REPLICAS = 2
GROUP = "tests.e2e.group_service"


@pytest.fixture
def group(bundle: Path) -> Iterator[ServerProcess]:
    with serving(bundle, GROUP, replicas=REPLICAS, **SLOW) as started:
        yield started


def pids_of(server: ServerProcess) -> list[int]:
    """The processes of the replicas."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return [int(pid) for pid in children]


def is_gone(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_each_connection_goes_to_the_replica_with_the_fewest_and_the_metrics_are_of_all(group: ServerProcess) -> None:
    def asked(path: str) -> list[float]:
        metrics = group.metrics()
        return [metrics.get(f"aisle_responses_total|{number}|{path}|200", 0) for number in range(REPLICAS)]

    def connect(stack: ExitStack, path: str) -> httpx.Client:
        client = stack.enter_context(httpx.Client(base_url=group.http.base_url))
        assert client.get(path).status_code == 200
        return client

    # The connection that asks for the metrics is the first, and so the first replica's.
    assert asked("/readyz") == [0, 0]
    with ExitStack() as stack:
        _, second, _, fourth, _ = (connect(stack, "/readyz") for _ in range(5))
        assert asked("/readyz") == [2, 3]
        for of_first in (second, fourth):
            of_first.close()
        # The other replica's own question is one of its connections.
        group.wait_until(lambda: group.metrics()["aisle_connections|0"] == 1)
        for _ in range(2):
            connect(stack, "/livez")
        assert asked("/livez") == [2, 0]
    metrics = group.metrics()
    assert metrics["aisle_tuned_sessions|0"] == metrics["aisle_tuned_sessions|1"] == 1


def test_a_replica_that_is_killed_comes_again_and_the_other_serves_meanwhile(group: ServerProcess) -> None:
    before = pids_of(group)
    assert len(before) == REPLICAS
    os.kill(before[0], signal.SIGKILL)
    group.wait_until(lambda: is_gone(before[0]))
    group.wait_until(lambda: any("a replica has ended" in line for line in group.log))
    for _ in range(4):
        assert group.score("red", ["good"]).status_code == 200
    group.wait_until(lambda: len(pids_of(group)) == REPLICAS)
    # What the new one tells of itself is in the metrics once it serves.
    group.wait_until(lambda: {f"aisle_tuned_sessions|{number}" for number in range(REPLICAS)} <= set(group.metrics()))
    assert set(pids_of(group)) & set(before) == {before[1]}
    for _ in range(4):
        assert group.score("red", ["good"]).status_code == 200


def test_connections_that_replicas_cannot_take_now_wait_for_them(group: ServerProcess) -> None:
    for pid in pids_of(group):
        os.kill(pid, signal.SIGSTOP)
    with ExitStack() as stack:
        address = ("127.0.0.1", group.port)
        # More than both channels hold.
        clients = [stack.enter_context(socket.create_connection(address, SECONDS)) for _ in range(700)]
        for pid in pids_of(group):
            os.kill(pid, signal.SIGCONT)
        for client in clients:
            client.sendall(b"GET /livez HTTP/1.1\r\nhost: aisle\r\n\r\n")
        assert {client.recv(12) for client in clients} == {b"HTTP/1.1 200"}


def test_under_load_sigterm_leaves_nobody_without_an_answer(group: ServerProcess) -> None:
    with ThreadPoolExecutor(16) as pool:
        large = [pool.submit(group.score, "red", titles(MANY, start=MANY * number)) for number in range(4)]
        group.wait_until(
            lambda: sum(v for k, v in group.metrics().items() if k.startswith("aisle_in_flight_requests")) >= 4
        )
        small = [pool.submit(ask_until_refused, group, number, True) for number in range(8)]
        group.wait_until(
            lambda: sum(v for k, v in group.metrics().items() if k.startswith("aisle_scored_pairs_total")) >= 16
        )
        group.terminate()
        refused = [future.result()[-1] for future in small]
        whole = [future.result() for future in large]
    assert group.exit_code() == 0
    assert [(reply.status_code, reply.json()["scored"]) for reply in whole] == [(200, MANY)] * 4
    assert {(reply.status_code, reply.json()["code"]) for reply in refused} == {(503, "draining")}


def test_a_signal_to_every_process_is_one_signal_and_a_second_to_the_parent_is_the_second(group: ServerProcess) -> None:
    many = 8
    with ThreadPoolExecutor(many) as pool:
        large = [pool.submit(group.score, "red", titles(MANY, start=MANY * number)) for number in range(many)]
        group.wait_until(
            lambda: sum(v for k, v in group.metrics().items() if k.startswith("aisle_in_flight_requests")) >= many
        )
        # As systemd does; the parent's own may come before or after.
        group.terminate()
        for pid in pids_of(group):
            for _ in range(3):
                os.kill(pid, signal.SIGTERM)
        group.wait_until(lambda: group.http.get("/readyz").status_code == 503)
        answered = [future.result() for future in large if future.done()]
        group.terminate()
        replies = [future.result() for future in large]
    assert {reply.status_code for reply in answered} <= {200}
    given_up = [reply.json()["code"] for reply in replies if reply.status_code == 503]
    assert given_up == ["draining"] * len(given_up)
    assert given_up
    assert {reply.status_code for reply in replies} <= {200, 503}
    assert group.exit_code() == 0


def test_a_parent_that_is_killed_takes_its_replicas_with_it(group: ServerProcess) -> None:
    replicas = pids_of(group)
    group.terminate(signal.SIGKILL)
    for pid in replicas:
        group.wait_until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]  # bound at once


def test_no_temporary_folder_is_needed(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    with serving(bundle, GROUP, replicas=REPLICAS) as server:
        assert {f"aisle_tuned_sessions|{number}" for number in range(REPLICAS)} <= set(server.metrics())
        server.terminate(signal.SIGKILL)
    assert list(folder.glob("aisle*")) == []


def test_what_keeps_a_replica_from_starting_is_told_once_and_ends_the_group(tmp_path: Path) -> None:
    code, lines = failing_start(tmp_path / "none", GROUP, replicas=REPLICAS)
    told = [line for line in lines if "does not start" in line]
    assert code == 1
    assert len(told) == 1
    assert "none" in told[0]


def test_a_replica_that_is_killed_before_it_is_ready_is_told_and_ends_the_group(bundle: Path) -> None:
    arguments, environment = command(bundle, GROUP, replicas=REPLICAS)
    with subprocess.Popen(arguments, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while not (started := children.read_text().split()):
            assert parent.poll() is None
        os.kill(int(started[0]), signal.SIGKILL)
        _, told = parent.communicate(timeout=SECONDS)
    assert parent.returncode == 1
    assert '"a replica was killed before it was ready", "replica": 0, "code": -9' in told


def test_a_port_that_is_taken_is_told_before_any_replica_starts(bundle: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, lines = failing_start(bundle, GROUP, replicas=REPLICAS, port=taken.getsockname()[1])
    assert code == 1
    assert len(lines) == 1
    assert "nothing can listen" in lines[0]


def test_more_replicas_than_cores_are_refused(bundle: Path) -> None:
    code, (line,) = failing_start(bundle, replicas=10_000)
    assert code == 1
    assert "AISLE_REPLICAS (10000)" in line


def test_a_signal_while_the_second_replica_starts_ends_both(bundle: Path) -> None:
    arguments, environment = command(bundle, GROUP, replicas=REPLICAS)
    with subprocess.Popen(arguments, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while len(started := children.read_text().split()) < REPLICAS:
            assert parent.poll() is None
        parent.send_signal(signal.SIGINT)
        _, told = parent.communicate(timeout=SECONDS)
    assert parent.returncode == 0
    assert "running on" not in told
    assert all(is_gone(int(pid)) for pid in started)
