from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from training.datasets.query_log import read_query_log
from training.datasets.schema import LoggedQuery
from training.errors import DataError


@pytest.mark.parametrize(
    ("name", "text"),
    [("log.txt", "red shoe\n\n blue hat \n"), ("log.tsv", "id\tquery\n1\tred shoe\n2\t\n3\tblue hat\n")],
)
def test_a_query_a_line_or_a_query_column(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_query_log(tmp_path / name) == [LoggedQuery("red shoe"), LoggedQuery("blue hat")]


def test_weights_are_read(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("query,weight\nred shoe,2.5\n", encoding="utf-8")
    assert read_query_log(tmp_path / "log.csv") == [LoggedQuery("red shoe", 2.5)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q\nred\n", "no 'query' column"),
        ("query,weight\nred,much\n", r"log\.csv:2: weight 'much'"),
        ("query,weight\nred,nan\n", "weight 'nan'"),
        ("query,weight\nred,-3\n", "weight '-3'"),
    ],
)
def test_a_bad_log_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_query_log(tmp_path / "log.csv")


def test_a_zipped_table_is_read_as_a_table(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.csv.gz", "wt", encoding="utf-8") as file:
        file.write("query,weight\nred shoe,5\n")
    assert read_query_log(tmp_path / "log.csv.gz") == [LoggedQuery("red shoe", 5.0)]


@pytest.mark.parametrize(("name", "content"), [("log.txt", b"caf\xe9\n"), ("log.txt.gz", b"no gzip")])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_query_log(tmp_path / name)
