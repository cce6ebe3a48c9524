from __future__ import annotations

import math
import threading

import pytest

from loadtest.faults import NOT_SCORES
from loadtest.inspection import inspect_score
from loadtest.open_loop import HEAD_START, Plan, drive, send
from loadtest.outcomes import NO_REPLY, Outcome, Stages
from loadtest.routes import ROUTES
from loadtest.systems import Aisle, Call
from tests.loadtest.faulty_server import REPLY_CUT_OFF, SPEAKS_NO_HTTP, Server, closes, resets, talks
from tests.loadtest.stub_server import NOBODY, STAGES, hanging, ranked_texts, scores_of_titles, stub

CALLS = [Call(b"first", 1), Call(b"second", 2)]


def test_it_waits_for_no_reply() -> None:
    """No request is answered before the last one is there: a sender that waited would never end."""
    arrivals = tuple(0.01 * number for number in range(12))
    all_there = threading.Barrier(len(arrivals))

    def answer(body: bytes) -> tuple[int, bytes]:
        all_there.wait(timeout=30.0)
        return 200, body

    with stub(answer) as target:
        outcomes = drive(Plan(target, arrivals, CALLS))
    assert [outcome.reply for outcome in outcomes] == [b"first", b"second"] * 6
    assert [outcome.pairs for outcome in outcomes] == [1, 2] * 6
    assert all(outcome.answered for outcome in outcomes)
    # The first waited for the last to be sent.
    assert outcomes[0].latency >= arrivals[-1] - arrivals[0]
    assert outcomes[0].done == outcomes[0].meant + outcomes[0].latency


def test_nothing_is_sent_before_its_time() -> None:
    # No whole milliseconds: what a timer rounds is made up for.
    arrivals = tuple(0.00137 * number for number in range(60))
    with stub() as target:
        assert all(outcome.lag >= 0.0 for outcome in drive(Plan(target, arrivals, CALLS)))


def test_latency_counts_from_when_it_was_meant_to_be_sent() -> None:
    with stub() as target:
        (late,) = drive(Plan(target, (-3.0,), CALLS))
    # Meant for three seconds before the start: that is the sender's fault, and told.
    assert late.lag >= 3.0 - HEAD_START
    assert late.latency >= late.lag
    assert late.latency < 30.0


def test_what_the_server_refuses_is_not_answered() -> None:
    with stub(lambda body: (200 if body == b"first" else 500, b"")) as target:
        outcomes = drive(Plan(target, (0.0, 0.01), CALLS))
    assert [(outcome.status, outcome.answered) for outcome in outcomes] == [(200, True), (500, False)]


@pytest.mark.parametrize("told", ["true", "false"])
def test_an_array_tells_by_a_header_that_it_is_degraded(told: str) -> None:
    route = ROUTES["tei"]
    call = route.call({"query": "lamp", "candidates": ["desk lamp"]})
    with stub(ranked_texts, headers={"x-aisle-degraded": told}) as target:
        (outcome,) = drive(Plan(target, (0.0,), [call], inspect=route.inspect))
    assert (outcome.answered, outcome.degraded) == (True, told == "true")


def test_a_reply_that_does_not_come_is_an_outcome() -> None:
    never = threading.Event()

    def answer(body: bytes) -> tuple[int, bytes]:
        if body == b"second":
            never.wait()
        return 200, b""

    with stub(answer, timeout=1.0) as target:
        first, second = drive(Plan(target, (0.0, 0.01), CALLS))
        never.set()
    assert first.answered
    assert second == Outcome(pairs=2, meant=0.01, lag=second.lag, error=second.error, fault="timeout")
    assert (second.status, second.latency) == (NO_REPLY, math.inf)
    assert second.error


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"stub at 127\.0\.0\.1:9/score failed: none of 2 requests got a reply"):
        drive(Plan(NOBODY, (0.0, 0.01), CALLS))


def test_a_server_that_answers_nothing_is_an_error() -> None:
    with hanging() as target, pytest.raises(RuntimeError, match="none of 2 requests got a reply"):
        drive(Plan(target, (0.0, 0.01), CALLS))


def test_it_tells_its_own_cpu_time() -> None:
    with stub() as target:
        sent = send(Plan(target, tuple(0.001 * number for number in range(50)), CALLS))
    assert 0 < sent.cpu_seconds < sent.seconds + 1.0
    assert sent.seconds >= max(outcome.done for outcome in sent.outcomes)


def test_stages_come_from_the_headers_and_replies_are_read_when_asked() -> None:
    call = Aisle().call({"query": "lamp", "candidates": [{"title": "Desk lamp"}, {"title": "Desk"}]})
    with stub(scores_of_titles) as target:
        (kept,) = drive(Plan(target, (0.0,), [call]))
        (read,) = drive(Plan(target, (0.0,), [call], inspect=inspect_score))
    assert kept.stages == read.stages == Stages(*STAGES)
    assert kept.reply
    assert not read.reply
    assert read.answered


def test_a_reply_without_scores_is_no_answer() -> None:
    with stub(lambda _: (200, b"<html>")) as target:
        (outcome,) = drive(Plan(target, (0.0,), CALLS, inspect=inspect_score))
    assert (outcome.status, outcome.kind, outcome.answered) == (200, NOT_SCORES, False)
    assert outcome.error == "status 200: <html>"


def test_headers_are_sent() -> None:
    seen: list[str | None] = []
    with stub(seen=seen) as target:
        drive(Plan(target, (0.0,), CALLS, headers={"Authorization": "Bearer key"}))
    assert seen == ["Bearer key"]


@pytest.mark.parametrize(
    ("server", "kind"),
    [(resets, "reset"), (closes, "closed"), (talks(SPEAKS_NO_HTTP), "not HTTP"), (talks(REPLY_CUT_OFF), "cut off")],
)
def test_kinds_of_failure_are_told_apart(server: Server, kind: str) -> None:
    with server() as target:
        (outcome,) = send(Plan(target, (0.0,), CALLS)).outcomes
    assert outcome.kind == kind
    assert outcome.latency == math.inf


def test_nobody_listening_is_a_refusal() -> None:
    assert {outcome.kind for outcome in send(Plan(NOBODY, (0.0, 0.01), CALLS)).outcomes} == {"refused"}
