from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadtest.arrivals import poisson_arrivals
from loadtest.budget import Budget, BudgetError
from loadtest.requests import requests_of

POISSON = {"kind": "poisson", "rate": 20, "seconds": 2}
SMALL = {"candidates": 5, "queries": 10, "products": 50}


def budget(load: dict[str, Any] = POISSON, warm_up_seconds: float = 0.0, **workload: object) -> Budget:
    settings = {"load": load, "limits": {"p99_ms": 50}, "workload": {**SMALL, **workload}}
    return Budget.model_validate({**settings, "warm_up_seconds": warm_up_seconds})


def test_every_arrival_has_its_request() -> None:
    requests = requests_of(budget(seed=3, deadline_ms=70))
    assert requests.arrivals == poisson_arrivals(20, 2, 3)
    assert requests.seconds == 2
    assert len(requests.calls) == len(requests.arrivals)
    assert not requests.repeats
    for call in requests.calls:
        body = json.loads(call.content)
        assert len(body["candidates"]) == call.pairs == 5
    assert requests.headers == {"x-deadline-ms": "70"}
    assert not requests_of(budget()).headers


def test_a_route_has_its_own_words() -> None:
    requests = requests_of(budget(route="tei"))
    assert requests.route.path == "/rerank"
    body = json.loads(requests.calls[0].content)
    assert len(body["texts"]) == 5
    assert all(isinstance(text, str) for text in body["texts"])


def test_another_stream_comes_at_other_times_and_asks_for_other_things() -> None:
    one, other = (requests_of(budget(), stream) for stream in (0, 1))
    assert one.arrivals != other.arrivals
    assert one.calls[:5] != other.calls[:5]


def test_more_arrivals_than_bodies_is_told() -> None:
    requests = requests_of(budget(most_bodies=7))
    assert len(requests.calls) == 7
    assert requests.repeats


def test_a_log_is_replayed_with_its_timing(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    lines = [{"at": 100 + at, "query": f"query {at}", "candidates": ["a", "b"]} for at in (0, 1, 4)]
    log.write_text("\n".join(map(json.dumps, lines)))
    requests = requests_of(budget({"kind": "replay", "log": str(log), "speed": 2}))
    assert requests.arrivals == (0.0, 0.5, 2.0)
    assert requests.seconds == 2.0
    assert [json.loads(call.content)["query"] for call in requests.calls] == ["query 0", "query 1", "query 4"]
    assert [call.pairs for call in requests.calls] == [2, 2, 2]
    cut = requests_of(budget({"kind": "replay", "log": str(log), "speed": 2, "seconds": 1}))
    assert (cut.arrivals, cut.seconds, len(cut.calls)) == ((0.0, 0.5), 1.0, 2)
    # Nothing is offered after its end: time that it does not have would understate the load.
    longer = requests_of(budget({"kind": "replay", "log": str(log), "speed": 2, "seconds": 600}))
    assert (longer.arrivals, longer.seconds) == (requests.arrivals, 2.0)


def test_what_cannot_be_sent_is_an_error() -> None:
    with pytest.raises(BudgetError, match="workload: 19 products are too few for lists of 5"):
        requests_of(budget(products=19))
    with pytest.raises(BudgetError, match="the load sends no request after its warm-up"):
        requests_of(budget({"kind": "poisson", "rate": 0.001, "seconds": 2}))
