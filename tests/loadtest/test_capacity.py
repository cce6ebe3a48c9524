"""The search: its course with trials that are made up, so that no clock decides; its ends with real requests."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtest import capacity
from loadtest.faults import OF_THE_SENDER
from loadtest.measured_service import MeasuredService
from loadtest.open_loop import Sent
from loadtest.report.record import Record, read_record
from loadtest.requests import Requests
from loadtest.trial import Trial
from tests.loadtest.report.records import answer, failure
from tests.loadtest.stub_process import launch_aisle_stub
from tests.loadtest.stub_server import NOBODY, scores_of_titles, stub, url_of

BUDGET = """[load]
kind = "constant"
rate = 20
seconds = 0.5
[limits]
error_rate = 0
[workload]
candidates = 3
queries = 10
products = 50
"""


def found(folder: Path, *options: str, text: str = BUDGET) -> tuple[int, Record]:
    """Exit code and record."""
    budget, report = folder / "budget.toml", folder / "report.html"
    budget.write_text(text)
    code = capacity.main(["--budget", str(budget), "--report", str(report), *options])
    return code, read_record(report.with_suffix(".json"))


def trial_of(most: float, cpu_share: float = 0.1, fault: str = "reset") -> Callable[[MeasuredService, Requests], Trial]:
    """In the place of a trial: nothing is sent, and at rates above `most` every request fails."""

    def run(_: MeasuredService, requests: Requests) -> Trial:
        rate = len(requests.arrivals) / requests.seconds
        outcomes = [answer(at, 0.02) if rate <= most else failure(at, fault) for at in requests.arrivals]
        return Trial(Sent(outcomes, cpu_share * requests.seconds, requests.seconds, 0.0), [])

    return run


def test_the_highest_rate_is_found_and_replicas_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=300))
    text = BUDGET.replace("20", "100").replace("0.5", "10")
    with stub(scores_of_titles) as target:
        code, record = found(
            tmp_path, "--host", url_of(target), "--target-rps", "2000", "--headroom", "0.25", text=text
        )
    assert (code, record.verdict) == (0, "holds")
    assert record.capacity
    assert record.capacity.exact
    rate = record.capacity.rate
    assert rate is not None
    assert 300 / 1.05 <= rate <= 300
    assert [point.holds for point in record.capacity.points] == [point.rate <= 300 for point in record.capacity.points]
    assert [round(point.rate) for point in record.capacity.points][:3] == [100, 200, 400]
    out = capsys.readouterr().out
    assert f"the budget holds at {rate:.4g} requests/s; it is missed at {record.capacity.missed_at:.4g}\n" in out
    assert f"{math.ceil(2000 / (rate * 0.75))} replicas for 2000 requests/s with 25% head-room" in out
    assert "Latency against offered load" in (tmp_path / "report.html").read_text()


def test_a_generator_at_its_end_makes_it_a_lower_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=300, cpu_share=0.95))
    with stub(scores_of_titles) as target:
        _, record = found(tmp_path, "--host", url_of(target), text=BUDGET.replace("20", "280").replace("0.5", "10"))
    assert record.capacity
    assert not record.capacity.exact
    assert "the generator was the bottleneck: it used 95% of one core" in record.notes[0]
    assert "the service may hold more" in capsys.readouterr().err


@pytest.mark.parametrize("fault", sorted(OF_THE_SENDER))
def test_a_generator_without_ports_or_files_makes_it_a_lower_bound(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=300, fault=fault))
    with stub(scores_of_titles) as target:
        code, record = found(tmp_path, "--host", url_of(target), text=BUDGET.replace("20", "280").replace("0.5", "10"))
    assert code == 0
    assert record.capacity
    assert (record.capacity.rate is not None, record.capacity.exact) == (True, False)
    told = f"requests/s the generator was the bottleneck: {fault} on its machine; the service may hold more"
    assert told in capsys.readouterr().err


def test_it_searches_with_real_requests_as_far_as_it_may(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with stub(scores_of_titles) as target:
        code, record = found(tmp_path, "--host", url_of(target), "--most-trials", "2")
    assert code == 0
    assert record.capacity
    assert (record.capacity.rate, record.capacity.missed_at, record.capacity.exact) == (40.0, None, False)
    assert "the budget holds at 40 requests/s; no higher rate was tried" in capsys.readouterr().out
    assert record.figures
    assert record.figures.requests == record.figures.answered == 20


def test_every_rate_is_asked_other_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same ones again would be answered from the caches."""
    asked: list[Requests] = []

    def run(service: MeasuredService, requests: Requests) -> Trial:
        asked.append(requests)
        return trial_of(most=1e9)(service, requests)

    monkeypatch.setattr(capacity, "run_trial", run)
    with stub(scores_of_titles) as target:
        found(tmp_path, "--host", url_of(target), "--most-trials", "2")
    first, second = ([call.content for call in requests.calls] for requests in asked)
    assert second[: len(first)] != first


def test_a_budget_that_holds_at_no_rate_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=0.1))
    with stub(scores_of_titles) as target:
        code, record = found(tmp_path, "--host", url_of(target), "--most-trials", "2", text=BUDGET.replace("0.5", "5"))
    assert (code, record.verdict) == (1, "missed")
    assert record.capacity
    assert record.capacity.rate is None


def test_a_budget_that_holds_nowhere_ends_where_no_request_comes_after_the_warm_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=0.0))
    text = "warm_up_seconds = 5\n" + BUDGET.replace("20", "4").replace("0.5", "35")
    with stub(scores_of_titles) as target:
        code, record = found(tmp_path, "--host", url_of(target), text=text)
    assert (code, record.verdict) == (1, "missed")
    assert record.capacity
    rates = [point.rate for point in record.capacity.points]
    # One in 32 s comes after the warm-up; one in 64 s would come after the end.
    assert (rates[0], rates[-1]) == (4.0, 0.0312)
    assert (record.capacity.rate, record.capacity.missed_at) == (None, 0.03125)
    told = "note: the search ended at 0.01562 requests/s, of which none comes after the warm-up: raise load.seconds"
    assert told in capsys.readouterr().err


def test_a_service_that_dies_ends_the_search_and_what_was_found_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first rate takes 11 answers, the second 21.
    monkeypatch.setattr("loadtest.measured_service.launch_aisle", launch_aisle_stub(answers=20))
    code, record = found(tmp_path)
    assert (code, record.verdict) == (2, "not measured")
    assert record.reasons[0].startswith("the search was cut short: ")
    assert "stub has ended with code 3: out of answers" in record.reasons[0]
    assert record.capacity
    assert [(point.rate, point.holds) for point in record.capacity.points] == [(20.0, True), (40.0, False)]
    assert record.capacity.rate == 20.0


def test_without_a_service_nothing_is_measured(tmp_path: Path) -> None:
    code, record = found(tmp_path, "--host", url_of(NOBODY))
    assert (code, record.verdict, record.capacity) == (2, "not measured", None)


def test_a_load_without_one_rate_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    budget = tmp_path / "budget.toml"
    budget.write_text('[load]\nkind = "ramp"\nfrom_rate = 1\nto_rate = 9\nseconds = 3\n[limits]\nerror_rate = 0\n')
    assert capacity.main(["--budget", str(budget)]) == 2
    assert "load.kind: a search for a rate takes poisson or constant" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("--headroom", "1", "takes a share from 0 to below 1, got 1"),
        ("--headroom", "-0.1", "takes a share from 0 to below 1, got -0.1"),
        ("--target-rps", "0", "takes a number above 0, got 0"),
        ("--target-rps", "inf", "takes a number above 0, got inf"),
        ("--precision", "-1", "takes a number above 0, got -1"),
        ("--precision", "near", "takes a number, got 'near'"),
        ("--most-trials", "0", "takes a number above 0, got 0"),
        ("--most-trials", "2.5", "takes a whole number, got '2.5'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    option: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        capacity.main(["--budget", "budget.toml", f"{option}={value}"])
    assert f"argument {option}: {told}\n" in capsys.readouterr().err


def test_replicas_may_keep_nothing_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(capacity, "run_trial", trial_of(most=1e9))
    with stub(scores_of_titles) as target:
        options = ("--most-trials", "1", "--target-rps", "60", "--headroom", "0")
        assert found(tmp_path, "--host", url_of(target), *options)[0] == 0
    assert "3 replicas for 60 requests/s with 0% head-room" in capsys.readouterr().out
