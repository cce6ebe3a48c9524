"""Signals at moments that are no quiet service's: while it is imported, while it drains, while a reload hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIG_DFL, SIG_IGN, SIGHUP, SIGINT, SIGTERM, Handlers, Signals

import pytest

from service.signals import SIGNALS
from tests.e2e.server_process import MANY, ROOT, SECONDS, SLOW, serving, titles

SENDS_ITSELF_A_SIGNAL = """
import os, runpy, sys

class AtTheFirstLibrary:
    def find_spec(name, *_):
        if name.partition(".")[0] not in sys.stdlib_module_names | {"service"}:
            os.kill(os.getpid(), NUMBER)

sys.meta_path.insert(0, AtTheFirstLibrary)
runpy.run_module("service", run_name="__main__")
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_one_during_the_imports_ends_it(number: Signals) -> None:
    script = SENDS_ITSELF_A_SIGNAL.replace("NUMBER", str(number.value))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (done.returncode, done.stderr) == (0, f"aisle was ended before it was ready: {number.name}\n")


@contextmanager
def inherited(handler: Handlers) -> Iterator[None]:
    """Processes that are started inside begin with this for SIGHUP."""
    before = signal.signal(SIGHUP, handler)
    try:
        yield
    finally:
        signal.signal(SIGHUP, before)


def test_a_terminal_that_is_gone_drains_it(bundle: Path) -> None:
    with inherited(SIG_DFL), serving(bundle, **SLOW) as server, ThreadPoolExecutor(1) as pool:
        accepted = pool.submit(server.score, "red", titles(MANY))
        server.wait_for_metric("aisle_in_flight_requests", 1)
        server.terminate(SIGHUP)
        assert (accepted.result().status_code, server.exit_code()) == (200, 0)


def test_under_nohup_it_stays(bundle: Path) -> None:
    with inherited(SIG_IGN), serving(bundle) as server:
        server.terminate(SIGHUP)
        assert server.score("red", ["good"]).status_code == 200
        assert server.http.get("/readyz").status_code == 200


@pytest.mark.parametrize(("first", "second"), [(SIGTERM, SIGTERM), (SIGINT, SIGINT), (SIGTERM, SIGINT)])
def test_a_second_one_has_accepted_requests_told_503(bundle: Path, first: Signals, second: Signals) -> None:
    with serving(bundle, **SLOW) as server, ThreadPoolExecutor(2) as pool:
        accepted = [pool.submit(server.score, "red", titles(MANY, MANY * number)) for number in range(2)]
        server.wait_for_metric("aisle_in_flight_requests", 2)
        server.terminate(first)
        server.wait_until(lambda: server.http.get("/readyz").status_code == 503)
        server.terminate(second)
        replies = [future.result() for future in accepted]
        assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(503, "draining")}
        assert server.exit_code() == 0
    assert "asked to end again" in [line["message"] for line in server.log_fields()]
    assert not any("traceback" in line or "bug" in line["message"] for line in server.log_fields())


def test_any_number_of_them_ends_an_idle_service_in_peace(bundle: Path) -> None:
    with serving(bundle) as server:
        server.terminate()
        # A handler that is interrupted by the next signal before it has ended would be so for ever.
        while server.runs_for(0.001):
            server.terminate()
        assert server.exit_code() == 0
    assert not any("Traceback" in line for line in server.log)


@pytest.mark.parametrize("hangs", ["endless", "blocked"])
def test_a_second_one_ends_a_service_whose_end_hangs(bundle: Path, hangs: str) -> None:
    with serving(bundle, module=f"tests.e2e.{hangs}_service") as server:
        server.terminate()
        server.wait_until(lambda: "Waiting for application shutdown." in server.log[-1])
        server.terminate()
        assert server.exit_code() == 0
    assert server.log_fields()[-1]["message"] == "the end takes too long, the process exits now"
