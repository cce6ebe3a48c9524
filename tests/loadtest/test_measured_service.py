from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loadtest.budget import Budget
from loadtest.measured_service import NotMeasuredError, Place, service_at
from loadtest.server import Launch, free_port
from loadtest.usage import MetricsUsage, ProcessUsage
from tests.loadtest.stub_process import launch_stub

BUDGET = Budget.model_validate(
    {
        "load": {"kind": "poisson", "rate": 20, "seconds": 2},
        "limits": {"p99_ms": 50},
        "timeout_seconds": 3,
        "service": {"threads": 1},
    }
)


def test_a_running_service_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADTEST_API_KEY", "secret")
    with service_at(Place("http://shop.example:81/ranking/"), BUDGET) as service:
        assert str(service.target) == "aisle at shop.example:81/ranking/score"
        assert service.target.timeout == 3
        assert service.headers == {"Authorization": "Bearer secret"}
        assert service.usage == MetricsUsage("shop.example", 81, service.headers)
        assert not service.end()
    with service_at(Place("http://127.0.0.1", pid=7), BUDGET) as service:
        assert (service.target.port, service.usage) == (80, ProcessUsage(7))


def test_an_address_of_numbers_and_colons_keeps_its_brackets() -> None:
    with service_at(Place("http://[::1]:81"), BUDGET) as service:
        assert str(service.target) == "aisle at [::1]:81/score"


@pytest.mark.parametrize("url", ["shop.example:81", "http://", "http://a:b", "http://a/?q=1"])
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(NotMeasuredError, match="is no"), service_at(Place(url), BUDGET):
        pass


def test_https_is_said_not_to_be_supported() -> None:
    with pytest.raises(NotMeasuredError, match="https is not supported"), service_at(Place("https://a:8443"), BUDGET):
        pass


def test_a_service_is_started_with_the_budgets_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def launch(bundle: Path, **settings: object) -> Launch:
        asked.extend([bundle, settings])
        return launch_stub()

    monkeypatch.setattr("loadtest.measured_service.launch_aisle", launch)
    with service_at(Place(bundle=Path("some/bundle")), BUDGET) as service:
        assert service.usage.read().resident_bytes > 1_000_000
        assert not service.end()
    assert asked == [Path("some/bundle"), {"threads": 1}]


def test_one_that_does_not_start_is_told_with_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such model')")
    monkeypatch.setattr(
        "loadtest.measured_service.launch_aisle", lambda *_, **__: Launch("stub", command, free_port(), "/")
    )
    with pytest.raises(NotMeasuredError, match="no such model"), service_at(Place(), BUDGET):
        pass
