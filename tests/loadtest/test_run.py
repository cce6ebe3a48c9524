"""The command against stubs in threads and processes, and once against the real service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import run
from loadtest.report.record import Record, read_record
from loadtest.systems import Target
from relevance.bundle import Bundle
from tests.loadtest.faulty_server import REPLY_CUT_OFF, SPEAKS_NO_HTTP, closes, resets, talks
from tests.loadtest.stub_process import launch_aisle_stub
from tests.loadtest.stub_server import NOBODY, hanging, scores_of_titles, stub, url_of

LOAD = '[load]\nkind = "constant"\nrate = 50\nseconds = 1\n'
WORKLOAD = "[workload]\ncandidates = 3\nqueries = 10\nproducts = 50\n"
EASY = "[limits]\np99_ms = 20000\nerror_rate = 0\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "budget.toml"
    path.write_text(text)
    return path


def held(folder: Path, text: str, *options: str) -> tuple[int, Record]:
    """Exit code and record of a run."""
    report = folder / "out" / "report.html"
    code = run.main(["--budget", str(write(folder, text)), "--report", str(report), *options])
    assert report.read_text().startswith("<!DOCTYPE html>")
    return code, read_record(report.with_suffix(".json"))


def test_a_budget_that_holds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stub(scores_of_titles) as target:
        code, record = held(tmp_path, LOAD + EASY + WORKLOAD, "--host", url_of(target))
    assert (code, record.verdict, record.reasons) == (0, "holds", [])
    assert record.figures
    assert record.figures.requests == record.figures.answered == 50
    assert record.stages_ms["inference"] == {"p50_ms": 2.0, "p99_ms": 2.0}
    assert record.generator
    assert record.generator.cpu_share > 0
    assert any("CPU and memory are not known to the end: /metrics answers 404" in note for note in record.notes)
    out, err = capsys.readouterr()
    assert err.startswith("sending 50 requests in 1 s to aisle at ")
    assert out.startswith("50 requests at 50/s: p50 ")
    assert "holds; see " in out


def test_a_budget_that_is_missed_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stub(scores_of_titles) as target:
        code, record = held(
            tmp_path, LOAD + "[limits]\np50_ms = 0.0001\nerror_rate = 0\n" + WORKLOAD, "--host", url_of(target)
        )
    assert (code, record.verdict) == (1, "missed")
    assert record.reasons[0].startswith("p50_ms: ")
    assert f"missed: {record.reasons[0]}" in capsys.readouterr().err


def test_the_warm_up_counts_for_nothing(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def refuses_first(body: bytes) -> tuple[int, bytes]:
        seen.append(body)
        # After the probe, the first fifth is warm-up.
        return (503, b"") if 1 < len(seen) <= 5 else scores_of_titles(body)

    with stub(refuses_first) as target:
        code, record = held(tmp_path, f"warm_up_seconds = 0.2\n{LOAD}{EASY}{WORKLOAD}", "--host", url_of(target))
    assert code == 0
    assert record.figures
    assert record.figures.requests == 40
    assert record.slices[0].at == 0.2


@pytest.mark.parametrize(
    ("server", "kind"),
    [
        (nullcontext(NOBODY), "refused"),
        (nullcontext(replace(NOBODY, host="a..b")), "not reached"),
        (resets(), "reset"),
        (closes(), "closed"),
        (talks(SPEAKS_NO_HTTP)(), "not HTTP"),
        (talks(REPLY_CUT_OFF)(), "cut off"),
        (hanging(), "timeout"),
        (stub(lambda _: (200, b"<html>")), "not scores (status 200: <html>)"),
        (stub(lambda _: (401, b"no key")), "status 401 (status 401: no key)"),
    ],
)
def test_a_service_that_does_not_answer_is_not_measured(
    tmp_path: Path, server: AbstractContextManager[Target], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with server as target:
        text = f"timeout_seconds = 1\n{LOAD}{EASY}{WORKLOAD}"
        code, record = held(tmp_path, text, "--host", url_of(target))
    assert (code, record.verdict, record.figures) == (2, "not measured", None)
    assert f"does not answer the first request: {kind}" in record.reasons[0]
    assert record.reasons[0] in capsys.readouterr().err


def test_a_service_that_turns_bad_keeps_what_was_measured(tmp_path: Path) -> None:
    """Garbage, refusals and hanging, told apart, beside the answers before."""
    count, over, lock = iter(range(10_000)), threading.Event(), threading.Lock()

    def answer(body: bytes) -> tuple[int, bytes]:
        with lock:
            number = next(count)
        if number < 30:
            return scores_of_titles(body)
        if number % 3 == 2:
            over.wait()
        return (200, b"<html>") if number % 3 else (503, b"full")

    with stub(answer) as target:
        code, record = held(tmp_path, f"timeout_seconds = 1\n{LOAD}{EASY}{WORKLOAD}", "--host", url_of(target))
        over.set()
    assert (code, record.verdict) == (1, "missed")
    assert {"p99_ms: no answer, 20000 ms at most"} < set(record.reasons)
    assert {kind: failure.count for kind, failure in record.failures.items()} == {
        "not scores": 7,
        "status 503": 7,
        "timeout": 7,
    }
    assert record.failures["status 503"].example == "status 503: full"
    assert record.figures
    assert record.figures.answered == 29
    assert record.figures.p50_ms is not None


def test_a_process_that_dies_in_the_middle_misses_and_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.measured_service.launch_aisle", launch_aisle_stub(answers=40))
    # Three quarters are answered: the only limit would hold.
    code, record = held(tmp_path, f"{LOAD}[limits]\np50_ms = 20000\n{WORKLOAD}")
    assert (code, record.verdict) == (1, "missed")
    assert record.reasons == ["stub has ended with code 3: out of answers"]
    assert record.figures
    assert record.figures.answered == 39
    assert record.failures["refused"].count >= 1


def test_one_that_dies_at_once_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtest.measured_service.launch_aisle", launch_aisle_stub(answers=0))
    code, record = held(tmp_path, LOAD + EASY + WORKLOAD)
    assert (code, record.verdict) == (2, "not measured")
    assert "stub has ended with code 3: out of answers" in record.reasons[0]


def test_an_interrupted_run_keeps_its_report(tmp_path: Path) -> None:
    """As a terminal interrupts: every process of the group gets the signal."""
    enough, count = threading.Event(), iter(range(10_000))

    def answer(body: bytes) -> tuple[int, bytes]:
        if next(count) == 30:
            enough.set()
        return scores_of_titles(body)

    budget, report = (
        write(tmp_path, LOAD.replace("seconds = 1", "seconds = 600") + EASY + WORKLOAD),
        tmp_path / "r.html",
    )
    with stub(answer) as target:
        command = ("-m", "loadtest.run", "--budget", str(budget), "--report", str(report), "--host", url_of(target))
        with subprocess.Popen(
            (sys.executable, *command), process_group=0, stderr=subprocess.PIPE, text=True
        ) as process:
            assert enough.wait(60.0)
            os.killpg(process.pid, signal.SIGINT)
            err = process.communicate(timeout=60)[1]
    record = read_record(report.with_suffix(".json"))
    assert (process.returncode, record.verdict) == (2, "not measured")
    assert "not measured: interrupted after" in err
    assert "Traceback" not in err
    assert record.figures
    assert 25 <= record.figures.answered == record.figures.requests <= 1000


def test_the_real_service_is_started_measured_and_ended(tmp_path: Path, bundle: Bundle) -> None:
    settings = "[service]\nautotune = false\nthreads = 1\n"
    text = LOAD + EASY + WORKLOAD + settings
    code, record = held(tmp_path, text, "--bundle", str(bundle.directory))
    assert (code, record.verdict) == (0, "holds")
    assert record.stages_ms["total"]["p50_ms"] > 0
    assert record.usage
    assert record.usage[0].resident_mb > 10
    assert record.usage_source == "the service's process"


@pytest.mark.parametrize(
    ("text", "options", "reason"),
    [
        (LOAD + EASY + "p90_ms = 3\n", (), "limits.p90_ms: unknown key"),
        ('[load]\nkind = "replay"\nlog = "log.jsonl"\n' + EASY, (), "log.jsonl, line 2: at: Field required"),
        (LOAD + EASY + '[workload]\nshapes = "none.json"\n', (), "none.json: No such file or directory"),
        (LOAD + EASY, ("--pid", "7"), "--pid belongs to --host"),
        (LOAD + EASY, ("--report", "report.pdf"), "--report is an .html file, got report.pdf"),
        (LOAD + EASY + "[service]\nthreads = 1\n", ("--host", "http://127.0.0.1:9"), "service settings are for"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, text: str, options: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_text('{"at": 0, "query": "lamp", "candidates": ["a"]}\n{}\n')
    assert run.main(["--budget", str(write(tmp_path, text)), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert reason in err
