from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtest.replay import LogError, Replayed, read_log

BODY = {"query": "desk lamp", "candidates": [{"title": "Lumora desk lamp"}, "Black desk"]}
GOOD = json.dumps({"at": 0.5, **BODY})


def write(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_both_forms_are_read_in_order(tmp_path: Path) -> None:
    whole = {**BODY, "deadline_ms": 50.0, "top_k": 1}
    log = write(tmp_path / "log.jsonl", GOOD, "", json.dumps({"at": 2, "body": whole}))
    assert read_log(log) == [Replayed(0.5, BODY), Replayed(2.0, whole)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Invalid JSON"),
        ('{"query": "lamp", "candidates": ["a"]}', "at: Field required"),
        ('{"at": "1", "query": "lamp", "candidates": ["a"]}', "at: Input should be a valid number"),
        ('{"at": NaN, "query": "lamp", "candidates": ["a"]}', "at: Input should be a finite number"),
        ('{"at": 1, "query": "lamp"}', "query and candidates belong together"),
        ('{"at": 1, "query": "lamp", "candidates": []}', "candidates: List should have at least 1 item"),
        ('{"at": 1, "body": {"query": "lamp"}}', "body.candidates: Field required"),
        ('{"at": 1}', "give either query and candidates, or body"),
        ('{"at": 1, "query": "a", "candidates": ["a"], "body": {"query": "a", "candidates": ["a"]}}', "give either"),
        ('{"at": 1, "query": "lamp", "candidates": ["a"], "user": 7}', "user: Extra inputs are not permitted"),
        ('{"at": 0.25, "query": "lamp", "candidates": ["a"]}', "at 0.25 s, after 0.5 s"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, reason: str) -> None:
    log = write(tmp_path / "log.jsonl", GOOD, "", line, GOOD)
    with pytest.raises(LogError) as caught:
        read_log(log)
    assert str(caught.value).startswith(f"{log}, line 3: ")
    assert reason in str(caught.value)


def test_a_file_without_requests_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"cannot read .*: No such file or directory"):
        read_log(tmp_path / "none.jsonl")
    with pytest.raises(LogError, match="holds no request"):
        read_log(write(tmp_path / "empty.jsonl", "", " "))
