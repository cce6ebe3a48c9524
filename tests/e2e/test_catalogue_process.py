"""Another catalogue on the real process, and a disk that hangs."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SplitBundles
from tests.e2e.server_process import ServerProcess, serving
from tests.service.split.conftest import write_catalogue


@pytest.fixture
def place(split_bundles: SplitBundles, tmp_path: Path) -> Path:
    return write_catalogue(tmp_path / "catalogue", split_bundles())


@pytest.fixture
def server(split_bundles: SplitBundles, place: Path) -> Iterator[ServerProcess]:
    with serving(split_bundles().directory, catalogue=place, catalogue_reload_seconds=0.05) as started:
        yield started


def hang(server: ServerProcess, file: Path) -> int:
    """Turn `file` into a pipe and wait until the server reads it; who does waits until the descriptor is closed."""
    file.unlink()
    os.mkfifo(file)
    opened: list[int] = []

    def is_read() -> bool:
        try:
            opened.append(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            assert error.errno == errno.ENXIO
        return bool(opened)

    server.wait_until(is_read)
    return opened[0]


def test_a_reload_that_hangs_does_not_keep_the_process(server: ServerProcess, place: Path) -> None:
    descriptor = hang(server, place / "manifest.json")
    try:
        assert server.score("red", [{"id": "p1"}]).status_code == 200
        server.terminate()
        assert server.exit_code() == 0
    finally:
        os.close(descriptor)


def test_a_refused_catalogue_shows_in_the_metrics_until_the_directory_is_good(
    server: ServerProcess, place: Path, tmp_path: Path
) -> None:
    assert server.metrics()["aisle_catalogue_refused"] == 0
    place.rename(tmp_path / "kept")
    server.wait_for_metric("aisle_catalogue_refused", 1)
    shutil.copytree(tmp_path / "kept", place)
    server.wait_until(lambda: server.metrics()["aisle_catalogue_refused"] == 0)
    assert server.score("red", [{"id": "p1"}]).json()["scored"] == 1
