from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relevance.bundle import Bundle, load_bundle
from service.autotune.cache import FILE, TuningCache
from service.autotune.tuning import BucketSpeed, Tuning
from tests.service.tiny_bundle import write_bundle

KEY: dict[str, Any] = {"graph": "abc", "cores": 2, "candidates": [[2, 1, 256]]}
TUNING = Tuning(
    sessions=2,
    threads=1,
    micro_batch_tokens=256,
    tokens_per_second=123.5,
    single_pair_ms=1.5,
    table=(BucketSpeed(sessions=2, threads=1, pairs=8, length=32, ns_per_token=20_000.25),),
)


def cache(directory: Path, **changes: Any) -> TuningCache:
    return TuningCache(directory, KEY | changes, (TUNING.choice,))


def rewrite(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((directory / FILE).read_text())
    change(content)
    (directory / FILE).write_text(json.dumps(content))


def fields(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = caplog.records
    return record.fields | {"level": record.levelname, "message": record.message}  # type: ignore[attr-defined, no-any-return]


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    cache(tmp_path).save(TUNING)
    assert cache(tmp_path).load() == TUNING
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_where_nothing_was_saved_nothing_is_loaded_nor_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert cache(tmp_path).load() is None
    assert not caplog.records


@pytest.mark.parametrize("change", [{"cores": 4}, {"graph": "abd"}, {"new": 1}])
def test_a_tuning_of_another_set_up_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: dict[str, Any]
) -> None:
    cache(tmp_path).save(TUNING)
    with caplog.at_level(logging.INFO):
        assert cache(tmp_path, **change).load() is None
    assert fields(caplog)["changed"] == list(change)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "JSON"), (b"{", "JSON"), (b"\xff\xfe", "JSON"), (b"[]", "file"), (b"{}", "key"), (b"null", "file")],
)
def test_a_file_that_is_no_tuning_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, told: str
) -> None:
    (tmp_path / FILE).write_bytes(content)
    assert cache(tmp_path).load() is None
    assert fields(caplog)["level"] == "WARNING"
    assert told in fields(caplog)["error"]
    cache(tmp_path).save(TUNING)
    assert cache(tmp_path).load() == TUNING


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["tuning"].update(sessions=0),
        lambda content: content["tuning"].update(sessions=10_000),
        lambda content: content["tuning"].update(tokens_per_second=-1.0),
        lambda content: content["tuning"].update(unknown=1),
        lambda content: content["tuning"]["table"][0].update(ns_per_token="fast"),
        lambda content: content.pop("key"),
        lambda content: content.update(key=[]),
    ],
)
def test_a_file_with_wrong_values_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: Callable[[dict[str, Any]], object]
) -> None:
    cache(tmp_path).save(TUNING)
    rewrite(tmp_path, change)
    assert cache(tmp_path).load() is None
    assert fields(caplog)["level"] == "WARNING"


def test_a_directory_in_its_place_is_not_taken_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()
    assert cache(tmp_path).load() is None
    assert fields(caplog)["error"] == "Is a directory"
    caplog.clear()
    with caplog.at_level(logging.INFO):
        cache(tmp_path).save(TUNING)
    assert fields(caplog)["level"] == "INFO"
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_where_nothing_can_be_written_it_is_said_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        cache(tmp_path / "not there").save(TUNING)
    assert (fields(caplog)["level"], fields(caplog)["error"]) == ("INFO", "No such file or directory")


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache(tmp_path).save(TUNING)

    def disk_full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", disk_full)
    cache(tmp_path).save(TUNING.model_copy(update={"tokens_per_second": 9.0}))
    assert cache(tmp_path).load() == TUNING
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_the_bundle_stays_whole_with_the_file_beside_it(tmp_path: Path) -> None:
    written: Bundle = write_bundle(tmp_path)
    cache(tmp_path).save(TUNING)
    assert load_bundle(tmp_path) == written
