from __future__ import annotations

import os

import pytest

from loadtest.measured_service import MeasuredService, NotMeasuredError
from loadtest.requests import Requests
from loadtest.server import started
from loadtest.systems import Aisle, Target
from loadtest.trial import check_answers, run_trial
from loadtest.usage import MetricsUsage, ProcessUsage
from tests.loadtest.stub_process import launch_stub
from tests.loadtest.stub_server import scores_of_titles, stub

CALLS = [Aisle().call({"query": f"lamp {number}", "candidates": [{"title": "Desk lamp"}]}) for number in range(3)]
REQUESTS = Requests((0.0, 0.1, 0.2, 1.2), CALLS, 1.5)


def test_a_trial_sends_everything_and_watches_the_process() -> None:
    with started(launch_stub()) as server:
        server.wait_until_ready()
        target = Target("stub", server.host, server.port, "/score")
        trial = run_trial(MeasuredService(target, ProcessUsage(server.pid)), REQUESTS)
    assert [outcome.answered for outcome in trial.sent.outcomes] == [True] * 4
    assert [outcome.meant for outcome in trial.outcomes_from(0.2)] == [0.2, 1.2]
    # On the clock of the load: the sender's start is left out.
    assert len(trial.usage) >= 2
    assert all(0.0 <= at <= trial.sent.seconds + 1.0 for at, _ in trial.usage)
    assert trial.usage_problem == ""


def test_a_key_goes_with_every_request() -> None:
    seen: list[str | None] = []
    with stub(scores_of_titles, seen=seen) as target:
        service = MeasuredService(target, MetricsUsage(target.host, target.port), {"Authorization": "Bearer key"})
        check_answers(service, REQUESTS)
        trial = run_trial(service, REQUESTS)
    assert seen == ["Bearer key"] * 5
    assert trial.usage_problem == "/metrics answers 404"


class Ends(tuple[float, ...]):
    """Arrivals that end the process that unpacks them."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


def test_a_generator_that_is_killed_is_no_verdict_on_the_service() -> None:
    with stub(scores_of_titles) as target:
        service = MeasuredService(target, MetricsUsage(target.host, target.port))
        with pytest.raises(NotMeasuredError, match="the generator's process was ended"):
            run_trial(service, Requests(Ends((0.0,)), CALLS, 1.0))


def test_a_service_that_refuses_the_first_request_is_told_with_its_text() -> None:
    with stub(lambda _: (422, b"query is too long")) as target:
        service = MeasuredService(target, MetricsUsage(target.host, target.port))
        with pytest.raises(NotMeasuredError, match=r"first request: status 422 \(status 422: query is too long\)"):
            check_answers(service, REQUESTS)
