from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from training.config import DistillSettings
from training.data_files import FILES_READ, check_query_logs, reading_data, without_unread
from training.datasets.loading import FILES, READERS
from training.dry_run import estimate
from training.errors import ConfigError, DataError
from training.stages import open_run


def fingerprint(data: str, *names: str) -> dict[str, Any]:
    return {"settings": {"data": data, "query_logs": ["log.csv"]}, "data": dict.fromkeys(names, "x")}


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ("jsonl:d", ["grades.json", "judgements.jsonl.gz", "log.csv", "products.jsonl", "queries.jsonl"]),
        ("parquet:d", ["grades.json", "judgements.parquet", "log.csv", "products.parquet", "queries.parquet"]),
        ("chorus:d", ["individual_ratings.csv", "log.csv", "products.jsonl", "ratings.csv"]),
    ],
)
def test_only_files_that_are_read_tell_two_runs_apart(data: str, read: list[str]) -> None:
    unread = [".DS_Store", "notes.txt", "products.csv", *(["products.jsonl.gz"] if "products.jsonl" in read else [])]
    kept = without_unread(fingerprint(data, *read, *unread))["data"]
    assert sorted(kept) == read


def test_what_digests_no_more_than_it_reads_is_left_as_it_is() -> None:
    assert {*FILES_READ, *FILES} == {*READERS}
    for whole in (fingerprint("wands:d", "label.csv"), {}, {"settings": {}, "data": {"a": "x"}}):
        assert without_unread(whole) == whole


def write_shop(directory: Path) -> str:
    directory.mkdir()
    products = [f'{{"id": "{n}", "title": "thing {n}"}}' for n in range(4)]
    judgements = [f'{{"query": "wish {q}", "product_id": "{n}", "grade": {n}}}' for q in "abcd" for n in range(4)]
    (directory / "products.jsonl").write_text("\n".join(products), encoding="utf-8")
    (directory / "judgements.jsonl").write_text("\n".join(judgements), encoding="utf-8")
    return f"jsonl:{directory}"


def test_a_file_beside_the_data_changes_no_run(tmp_path: Path) -> None:
    settings = DistillSettings(data=write_shop(tmp_path / "shop"))
    open_run(settings, tmp_path / "run").directory.stage("pool").finish({})
    (tmp_path / "shop" / ".DS_Store").touch()
    assert open_run(settings, tmp_path / "run").directory.stage("pool").finished


def test_a_query_log_that_is_not_there_is_named_as_one(tmp_path: Path) -> None:
    settings = DistillSettings(query_logs=(tmp_path / "log.txt",))
    for begin in (lambda: estimate(settings), lambda: open_run(settings, tmp_path / "run")):
        with pytest.raises(ConfigError, match=r"query_logs: not there: .*log\.txt; mend the path \(--query-log"):
            begin()
    check_query_logs([])


def test_a_file_that_may_not_be_read_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = DistillSettings(data=write_shop(tmp_path / "shop"))

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "shop/products.jsonl")

    for function in ("data_digests", "load_dataset"):
        monkeypatch.setattr(f"training.stages.{function}", refuse)
        with pytest.raises(DataError, match=r"^shop/products\.jsonl cannot be read \(Permission denied\); make it"):
            open_run(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_error_of_no_file_is_not_the_datas() -> None:
    with pytest.raises(ConnectionError), reading_data():
        raise ConnectionError("a socket")
