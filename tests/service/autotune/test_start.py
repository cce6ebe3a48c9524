from __future__ import annotations

import json
import logging
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from service.app import create_service
from service.autotune.cache import FILE
from service.autotune.tuning import Layout
from service.cores import usable_cores
from service.engine import load
from service.errors import BackendError
from service.settings import Settings
from tests.service.tiny_bundle import write_bundle


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle").directory


class Starts:
    """Loads the engine with given settings and tells what the log says of its tuning."""

    def __init__(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        self.directory = directory
        self._caplog = caplog

    def __call__(self, **settings: Any) -> dict[str, Any]:
        self._caplog.clear()
        with self._caplog.at_level(logging.INFO):
            engine = load(Settings(bundle=self.directory, **settings))
        engine.backend.close()
        self.engine = engine
        assert engine.tokens_per_second > 0
        assert engine.backend.concurrency == engine.tuning.sessions
        (record,) = [record for record in self._caplog.records if record.message == "engine tuned"]
        return record.fields  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def start(directory: Path, caplog: pytest.LogCaptureFixture) -> Starts:
    return Starts(directory, caplog)


def chosen(told: dict[str, Any]) -> tuple[int, int, int]:
    return told["sessions"], told["threads"], told["micro_batch_tokens"]


def test_the_second_start_takes_what_the_first_measured(start: Starts) -> None:
    first, second = start(), start()
    assert (first["source"], second["source"]) == ("measured", "cache")
    assert chosen(first) == chosen(second)
    assert first["tokens_per_second"] == second["tokens_per_second"]
    assert set(first) >= {"reason", "noise", "ns_per_token"}


def test_the_choice_stays_within_the_cores(start: Starts) -> None:
    told = start()
    assert told["sessions"] * told["threads"] <= usable_cores()


def test_without_autotune_the_defaults_run_and_nothing_is_written(start: Starts) -> None:
    told = start(autotune=False)
    assert (told["source"], chosen(told)) == ("settings", (usable_cores(), 1, 256))
    assert not (start.directory / FILE).exists()


def test_given_all_three_nothing_is_measured(start: Starts) -> None:
    told = start(sessions=3, threads=2, micro_batch_tokens=77)
    assert (told["source"], chosen(told)) == ("settings", (3, 2, 77))
    assert not (start.directory / FILE).exists()


def test_what_is_given_is_kept_and_the_rest_is_measured(start: Starts) -> None:
    told = start(micro_batch_tokens=100, threads=1, sessions=None)
    assert told["micro_batch_tokens"] == 100
    assert told["threads"] == 1
    told = start(sessions=1, threads=1)
    assert (told["source"], told["sessions"], told["threads"]) == ("measured", 1, 1)


def test_other_settings_do_not_take_each_others_tuning(start: Starts) -> None:
    sources = [start(sessions=1, threads=1, queue_tokens=queue)["source"] for queue in (None, None, 100_000)]
    assert sources == ["measured", "cache", "cache"]
    assert start(sessions=2, threads=1)["source"] == "measured"
    assert start(sessions=2, threads=1, max_candidates=5, queue_tokens=105)["source"] == "measured"


def test_no_micro_batch_is_larger_than_the_queue(start: Starts) -> None:
    assert start(sessions=1, max_candidates=5, queue_tokens=105)["micro_batch_tokens"] <= 105


def test_a_damaged_file_is_measured_anew(start: Starts) -> None:
    start()
    (start.directory / FILE).write_text("no JSON")
    assert start()["source"] == "measured"
    assert start()["source"] == "cache"


def test_a_tuning_of_another_graph_is_measured_anew(start: Starts) -> None:
    start()
    path = start.directory / FILE
    record = json.loads(path.read_text())
    record["key"]["graph_sha256"] = "0" * 64
    path.write_text(json.dumps(record))
    assert start()["source"] == "measured"


def test_without_time_the_default_runs_and_is_not_kept(start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.autotune.start.SECONDS", 0.0)
    told = start()
    assert (told["source"], chosen(told)) == ("default", (usable_cores(), 1, 256))
    assert not (start.directory / FILE).exists()


@pytest.mark.parametrize("fixed", [{}, {"sessions": 1, "threads": 1, "micro_batch_tokens": 64}, {"autotune": False}])
def test_a_graph_without_finite_logits_never_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fixed: dict[str, Any]
) -> None:
    monkeypatch.setattr("tests.service.tiny_bundle.VALUES", {"[PAD]": float("nan")})
    write_bundle(tmp_path / "broken")
    with pytest.raises(BackendError, match="no finite logit"):
        load(Settings(bundle=tmp_path / "broken", **fixed))


def test_a_kept_tuning_does_not_spare_the_warm_up(start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    start()
    warmed: list[int] = []

    def note(_backend: object, longest: int, _batch_tokens: int) -> float:
        warmed.append(longest)
        return 1.0

    monkeypatch.setattr("service.engine.warm_up", note)
    assert start()["source"] == "cache"
    assert len(warmed) == 1
    assert start.engine.tokens_per_second == start.engine.tuning.tokens_per_second


def test_the_speed_is_that_of_one_session_while_the_other_runs_too(start: Starts) -> None:
    start(sessions=2, threads=1)
    tuning = start.engine.tuning
    rows = [row for row in tuning.table if row.pairs == tuning.choice.pairs(row.length)]
    assert len(rows) == 2
    assert tuning.tokens_per_second == pytest.approx(1e9 / fmean(row.ns_per_token for row in rows) / 2)


def test_layouts_are_only_as_many_as_memory_may_hold_graphs(start: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.autotune.start.WEIGHTS_BYTES", 1)
    start()
    assert {(row.sessions, row.threads) for row in start.engine.tuning.table} == {(usable_cores(), 1)}


def test_the_engine_runs_as_tuned_and_metrics_show_it(directory: Path) -> None:
    engine = load(Settings(bundle=directory, sessions=1, threads=1))
    service = create_service(engine)
    read = service.stages.metrics.registry.get_sample_value
    assert engine.tuning.layout == Layout(1, 1)
    assert read("aisle_tuned_micro_batch_tokens") == engine.tuning.micro_batch_tokens
    row = engine.tuning.table[0]
    labels = {"pairs": str(row.pairs), "length": str(row.length)}
    assert read("aisle_tuned_ns_per_token", labels) == row.ns_per_token
    engine.backend.close()


def test_buckets_are_not_measured_side_by_side(directory: Path) -> None:
    engine = load(Settings(bundle=directory, buckets="on"))
    engine.backend.close()
    assert {row.sessions for row in engine.tuning.table} == {engine.tuning.sessions} == {1}
