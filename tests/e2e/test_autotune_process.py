"""The tuner in the real process: measured once, kept beside the bundle, told in the log and in `/metrics`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from service.autotune.cache import FILE
from tests.e2e.server_process import ServerProcess, serving
from tests.service.tiny_bundle import write_bundle

CHOICE = ("sessions", "threads", "micro_batch_tokens")


def tuned(server: ServerProcess) -> dict[str, Any]:
    (line,) = [line for line in server.log_fields() if line["message"] == "engine tuned"]
    return line


def test_the_second_process_takes_what_the_first_measured(tmp_path: Path) -> None:
    directory = write_bundle(tmp_path).directory
    with serving(directory, autotune=True) as server:
        first, shown = tuned(server), server.metrics()
        assert server.score("red", ["good"]).status_code == 200
    assert first["source"] == "measured"
    assert [shown[f"aisle_tuned_{name}"] for name in CHOICE] == [first[name] for name in CHOICE]
    buckets = [value for name, value in shown.items() if name.startswith("aisle_tuned_ns_per_token|")]
    assert buckets
    assert min(buckets) > 0
    with serving(directory, autotune=True) as server:
        second, shown_again = tuned(server), server.metrics()
    assert second["source"] == "cache"
    assert [second[name] for name in CHOICE] == [first[name] for name in CHOICE]
    assert [value for name, value in shown_again.items() if name.startswith("aisle_tuned_ns_per_token|")] == buckets


def test_a_directory_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    directory = write_bundle(tmp_path).directory
    # A directory in the file's place cannot be replaced by a file, whoever the process runs as.
    (directory / FILE).mkdir()
    with serving(directory, autotune=True) as server:
        assert server.score("red", ["good"]).status_code == 200
        assert tuned(server)["source"] == "measured"
        assert [line["level"] for line in server.log_fields() if line.get("file") == str(directory / FILE)] == [
            "warning",
            "info",
        ]
