from __future__ import annotations

import sys
import urllib.request
from pathlib import Path

import pytest

from loadtest.server import Launch, free_port, launch_aisle, started

ENDS = ("-c", "import sys; sys.exit('no such model')")
SLEEPS = ("-c", "import signal; print('loading', flush=True); signal.pause()")


def launch(*arguments: str, **environment: str) -> Launch:
    return Launch("stub", (sys.executable, *arguments), free_port(), "/", environment)


def files_of(directory: Path) -> Launch:
    port = free_port()
    command = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory", str(directory))
    return Launch("files", command, port, "/ready")


def test_a_server_is_ready_when_its_path_says_so_and_gone_at_the_end(tmp_path: Path) -> None:
    (tmp_path / "ready").write_text("yes")
    with started(files_of(tmp_path)) as server:
        server.wait_until_ready()
        with urllib.request.urlopen(f"http://{server.host}:{server.port}/ready") as reply:
            assert reply.read() == b"yes"
        assert server.resident_bytes() > 1_000_000
        assert not server.end()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{server.host}:{server.port}/ready")


def test_one_that_ends_is_an_error_with_its_log() -> None:
    with started(launch(*ENDS)) as server:
        with pytest.raises(RuntimeError, match=r"stub ended with code 1 before it was ready: no such model"):
            server.wait_until_ready()
        with pytest.raises(RuntimeError, match="stub has ended with code 1: no such model"):
            server.resident_bytes()


def test_one_that_is_never_ready_is_an_error_in_time() -> None:
    with started(launch(*SLEEPS)) as server, pytest.raises(RuntimeError, match="stub was not ready after 0 s"):
        server.wait_until_ready(seconds=0.1)


def test_settings_of_the_shell_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AISLE_API_KEYS", "secret")
    monkeypatch.setenv("INFINITY_API_KEY", "secret")
    show = "import os, sys; sys.exit(str({n: v for n, v in os.environ.items() if n.startswith(('AISLE', 'INFINITY'))}))"
    with (
        started(launch("-c", show, AISLE_PORT="1")) as server,
        pytest.raises(RuntimeError, match=r"\{'AISLE_PORT': '1'\}"),
    ):
        server.wait_until_ready()


def test_settings_of_the_service_are_its_environment() -> None:
    made = launch_aisle(Path("models/cross-encoder"), token_cache_mb=0)
    assert made.environment["AISLE_TOKEN_CACHE_MB"] == "0"
    assert made.environment["AISLE_PORT"] == str(made.port)
