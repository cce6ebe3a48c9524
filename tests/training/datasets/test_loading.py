from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from tests.training.datasets.esci_files import write_esci
from tests.training.datasets.wands_files import write_wands
from training.config import DistillSettings
from training.datasets import loading
from training.datasets.loading import CHOICES, FILES, FORMS, READERS, check_query_logs, data_digests, load_dataset
from training.dry_run import estimate
from training.errors import ConfigError, DataError
from training.stages import open_run


def settings(data: str, *logs: Path) -> DistillSettings:
    return DistillSettings(data=data, query_logs=logs)


def test_wands_is_read_and_only_its_files_are_hashed(tmp_path: Path) -> None:
    write_wands(tmp_path)
    (tmp_path / "README.md").write_text("not read", encoding="utf-8")
    chosen = settings(f"wands:{tmp_path}")
    assert load_dataset(chosen).name == "wands"
    digests = data_digests(chosen)
    assert sorted(digests) == ["label.csv", "product.csv", "query.csv"]
    assert digests["label.csv"] == hashlib.sha256((tmp_path / "label.csv").read_bytes()).hexdigest()


def test_esci_is_read_with_its_options(tmp_path: Path) -> None:
    write_esci(tmp_path)
    chosen = settings(f"esci:{tmp_path}?locale=es&split=random")
    data = load_dataset(chosen)
    assert data.products["K1"].title == "Hervidor uno"
    assert data.held_out_queries is None
    assert len(data_digests(chosen)) == 2
    # Another part of the data makes other weights: the run's fingerprint must tell.
    assert chosen.weight_settings()["data"] == f"esci:{tmp_path.name}?locale=es&split=random"


@pytest.mark.parametrize(
    "data", ["wands", "wands:", "wands:/nowhere", "esci:/nowhere?locale=us", "trec:x", "synthetic:x"]
)
def test_what_can_not_be_read_is_named_with_the_forms(data: str) -> None:
    for function in (load_dataset, data_digests):
        with pytest.raises(ConfigError, match=r"data is .*esci:DIR, jsonl:DIR or parquet:DIR"):
            function(settings(data))
    assert "wands:DIR" in FORMS


def test_options_are_only_for_readers_that_have_them(tmp_path: Path) -> None:
    write_wands(tmp_path)
    with pytest.raises(ConfigError, match=r"is no directory"):
        load_dataset(settings(f"wands:{tmp_path}?locale=us"))


def test_a_missing_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not there: .*query\.csv, .*product\.csv, .*label\.csv"):
        data_digests(settings(f"wands:{tmp_path}"))
    with pytest.raises(DataError, match=r"query\.csv is not there"):
        load_dataset(settings(f"wands:{tmp_path}"))


def test_two_files_of_one_name_are_refused_for_one_digest_would_hide_the_other(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "query.csv").write_text("query\nlamp\n", encoding="utf-8")
    write_wands(tmp_path)
    with pytest.raises(ConfigError, match=r"same name \(query\.csv\)"):
        data_digests(settings(f"wands:{tmp_path}", tmp_path / "log" / "query.csv"))


def write_shop(directory: Path) -> str:
    directory.mkdir()
    products = [f'{{"id": "{n}", "title": "thing {n}"}}' for n in range(4)]
    judgements = [f'{{"query": "wish {q}", "product_id": "{n}", "grade": {n}}}' for q in "abcd" for n in range(4)]
    (directory / "products.jsonl").write_text("\n".join(products), encoding="utf-8")
    (directory / "judgements.jsonl").write_text("\n".join(judgements), encoding="utf-8")
    return f"jsonl:{directory}"


@pytest.mark.parametrize(
    ("reader", "read"),
    [
        ("jsonl", ["grades.json", "judgements.jsonl.gz", "products.jsonl", "queries.jsonl"]),
        ("parquet", ["grades.json", "judgements.parquet", "products.parquet", "queries.parquet"]),
        ("chorus", ["individual_ratings.csv", "products.jsonl.gz", "ratings.csv"]),
    ],
)
def test_only_files_that_are_read_tell_two_runs_apart(tmp_path: Path, reader: str, read: list[str]) -> None:
    for name in (*read, ".DS_Store", "notes.txt", "products.csv"):
        (tmp_path / name).touch()
    assert sorted(data_digests(settings(f"{reader}:{tmp_path}"))) == read


def test_every_reader_says_what_it_reads() -> None:
    assert {*CHOICES, *FILES} == {*READERS}


def test_a_file_beside_the_data_changes_no_run(tmp_path: Path) -> None:
    chosen = settings(write_shop(tmp_path / "shop"))
    open_run(chosen, tmp_path / "run").directory.stage("pool").finish({})
    (tmp_path / "shop" / ".DS_Store").touch()
    assert open_run(chosen, tmp_path / "run").directory.stage("pool").finished


def test_a_query_log_that_is_not_there_is_named_as_one(tmp_path: Path) -> None:
    chosen = settings("synthetic", tmp_path / "log.txt")
    for begin in (lambda: estimate(chosen), lambda: open_run(chosen, tmp_path / "run")):
        with pytest.raises(ConfigError, match=r"query_logs: not there: .*log\.txt; mend the path \(--query-log"):
            begin()
    check_query_logs([])


def test_a_file_that_may_not_be_read_is_named_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(loading, "sha256_of", refuse)
    with pytest.raises(
        DataError, match=r"judgements\.jsonl cannot be read \(Permission denied\); check the permissions"
    ):
        open_run(settings(write_shop(tmp_path / "shop")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
