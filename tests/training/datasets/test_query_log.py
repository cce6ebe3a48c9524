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
        ("q\nred\n", r"columns \['query'\] are missing, found \['q'\]"),
        ("", r"columns \['query'\] are missing"),
        ("query,weight\nred, blue\nhat,1,2\n", r"log\.csv:2: weight ' blue'"),
        ("query,weight\nred,1,2\n", r"log\.csv:2: the row has too many columns"),
        ('query,weight\n"red,1\nhat,2\n', r"log\.csv:2: not a table"),
        ('query,weight\n"red,1\n24"" screen,2\nhat 5",3\n', r"log\.csv:4: the query 'red,1.*over several lines"),
        ("query,weight\n" + '"' + "red,1\n" * 50_000, r"log\.csv:\d+: not a table"),
        ("query,weight\nred,much\n", r"log\.csv:2: weight 'much'"),
        ("query,weight\nred,nan\n", "weight 'nan'"),
        ("query,weight\nred,-3\n", "weight '-3'"),
    ],
)
def test_a_bad_log_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "log.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_query_log(tmp_path / "log.csv")


@pytest.mark.parametrize("repeated", ["query", "weight", "count"])
@pytest.mark.parametrize(("kind", "delimiter"), [("tsv", "\t"), ("csv", ",")])
def test_a_column_that_is_there_twice_is_named(tmp_path: Path, kind: str, delimiter: str, repeated: str) -> None:
    names = ["query", "weight", "count", "note", "note"]
    path = tmp_path / f"log.{kind}"
    lines = [delimiter.join(names), delimiter.join(["red", "1", "2", "a", "b"])]
    path.write_text("\n".join(lines), encoding="utf-8")
    # What is not read may be there as often as it will.
    assert read_query_log(path) == [LoggedQuery("red", 1.0)]
    path.write_text("\n".join(line + delimiter + end for line, end in zip(lines, (repeated, "9"), strict=True)))
    with pytest.raises(DataError, match=rf"log\.{kind}: columns \['{repeated}'\] are there more than once; keep one"):
        read_query_log(path)


def test_a_zipped_table_is_read_as_a_table(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "log.csv.gz", "wt", encoding="utf-8") as file:
        file.write("query,weight\nred shoe,5\n")
    assert read_query_log(tmp_path / "log.csv.gz") == [LoggedQuery("red shoe", 5.0)]


@pytest.mark.parametrize(("name", "content"), [("log.txt", b"caf\xe9\n"), ("log.txt.gz", b"no gzip")])
def test_a_file_of_another_kind_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        read_query_log(tmp_path / name)


def test_a_quote_in_a_tsv_takes_in_no_other_row(tmp_path: Path) -> None:
    rows = ['"hello\t1', "red shoe\t2", '24" screen\t3', 'say "hi"\t4', '"15"" laptop"\t5', '"quiet" fan\t6', '"\t7']
    (tmp_path / "log.tsv").write_text("query\tweight\n" + "\r\n".join(rows), encoding="utf-8")
    queries = ['"hello', "red shoe", '24" screen', 'say "hi"', '15" laptop', '"quiet" fan', '"']
    assert read_query_log(tmp_path / "log.tsv") == [LoggedQuery(text, n) for n, text in enumerate(queries, 1)]
    rows = ['"hello\t1', "red shoe\t2"] * 50_000
    (tmp_path / "log.tsv").write_text("query\tweight\n" + "\n".join(rows), encoding="utf-8")
    assert len(read_query_log(tmp_path / "log.tsv")) == 100_000


def test_a_row_of_a_tsv_has_no_more_columns_than_its_first_line(tmp_path: Path) -> None:
    (tmp_path / "log.tsv").write_text("query\tweight\n\nred shoe\t1\t2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"log\.tsv:3: the row has 3 columns, the first line 2"):
        read_query_log(tmp_path / "log.tsv")


@pytest.mark.parametrize(("name", "tab"), [("log.tsv", "\t"), ("log.csv", ",")])
def test_a_row_may_end_before_its_weight(tmp_path: Path, name: str, tab: str) -> None:
    (tmp_path / name).write_text(f"query{tab}weight\nred shoe\nlamp{tab}3\n", encoding="utf-8")
    assert read_query_log(tmp_path / name) == [LoggedQuery("red shoe", 1.0), LoggedQuery("lamp", 3.0)]


def test_stray_quotes_at_both_ends_of_a_tsv_row_hold_no_tab(tmp_path: Path) -> None:
    (tmp_path / "log.tsv").write_text('query\tnote\n"red shoe\ttv 12"\n', encoding="utf-8")
    assert read_query_log(tmp_path / "log.tsv") == [LoggedQuery('"red shoe')]


@pytest.mark.parametrize("name", ["log.TSV", "log.Tsv.GZ", "log.CSV", "log.JSONL"])
def test_an_ending_may_be_in_upper_case(tmp_path: Path, name: str) -> None:
    delimiter = "," if "CSV" in name else "\t"
    text = (
        '{"query": "red shoe", "weight": 2}\n' if "JSON" in name else f"query{delimiter}weight\nred shoe{delimiter}2\n"
    )
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("GZ") else content)
    assert read_query_log(tmp_path / name) == [LoggedQuery("red shoe", 2.0)]


def test_json_lines_hold_queries_and_their_weights(tmp_path: Path) -> None:
    lines = ['{"query": " red shoe ", "count": 3}', '{"query": 7, "weight": "2"}', '{"query": "hat", "weight": null}']
    (tmp_path / "log.jsonl").write_text("\n".join([*lines, "", '{"query": "  "}', '{"query": null}']), encoding="utf-8")
    expected = [LoggedQuery("red shoe", 3.0), LoggedQuery("7", 2.0), LoggedQuery("hat")]
    assert read_query_log(tmp_path / "log.jsonl") == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "red"}', r"log\.jsonl:2: 'query' is missing or empty; the row has 'text'"),
        ('{"query": ["red"]}', r"log\.jsonl:2: 'query' must be text"),
        ('{"query": "red", "count": -1}', r"log\.jsonl:2: count -1 is not a number"),
        ("red shoe", r"log\.jsonl:2: not valid JSON"),
        (
            '{"query": "red", "query": "hat"}',
            r"log\.jsonl:2: the key 'query' is there more than once; keep one of each",
        ),
        ('{"query": "red", "more": {"a": 1, "a": 2}}', r"log\.jsonl:2: the key 'a' is there more than once"),
    ],
)
def test_a_bad_line_of_json_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text('{"query": "hat"}\n' + line, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_query_log(tmp_path / "log.jsonl")


@pytest.mark.parametrize("name", ["log.json", "log.parquet"])
def test_what_is_no_log_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('[{"query": "hat"}]', encoding="utf-8")
    with pytest.raises(DataError, match=rf"{name}: a query log is text .* not \.(json|parquet)"):
        read_query_log(tmp_path / name)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_blank_cells_are_no_queries(tmp_path: Path, ending: str) -> None:
    delimiter = "," if ending == "csv" else "\t"
    rows = ["query,weight", '"  ",1', "  ,2", "hat,"]
    (tmp_path / f"log.{ending}").write_text("\n".join(rows).replace(",", delimiter), encoding="utf-8")
    assert read_query_log(tmp_path / f"log.{ending}") == [LoggedQuery("hat")]
