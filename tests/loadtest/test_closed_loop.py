from __future__ import annotations

import math
from itertools import repeat

import pytest

from loadtest.closed_loop import ask, drive
from loadtest.systems import Call
from tests.loadtest.stub_server import NOBODY, hanging, stub

GOOD, BAD = Call(b"good", 3), Call(b"bad", 3)


def refuse_the_bad(body: bytes) -> tuple[int, bytes]:
    return (200, b"scores") if body == b"good" else (429, b"too much")


def test_every_answer_is_timed() -> None:
    with stub() as target:
        measured = drive(target, repeat(GOOD), clients=3, seconds=0.2)
    assert measured.pairs == 3 * len(measured.latencies) > 9
    assert measured.seconds >= 0.2
    assert measured.pairs_per_second == measured.pairs / measured.seconds
    assert 0.0 < min(measured.latencies) <= max(measured.latencies) <= measured.seconds


def test_it_ends_when_every_call_was_answered_once() -> None:
    asked: list[bytes] = []

    def answer(body: bytes) -> tuple[int, bytes]:
        asked.append(body)
        return 200, b""

    calls = [Call(str(number).encode(), 1) for number in range(40)]
    with stub(answer) as target:
        measured = drive(target, calls, clients=4, seconds=math.inf)
    assert measured.pairs == 40
    assert sorted(asked) == sorted(call.content for call in calls)


def test_a_refusal_is_no_throughput() -> None:
    with (
        stub(refuse_the_bad) as target,
        pytest.raises(RuntimeError, match=r"stub at .*/score failed: status 429: too m"),
    ):
        drive(target, repeat(BAD), clients=2, seconds=5.0)


def test_a_server_that_is_not_there_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"stub at 127\.0\.0\.1:9/score failed: .*refused; see whether it runs"):
        drive(NOBODY, repeat(GOOD), clients=1, seconds=5.0)


def test_a_server_that_does_not_answer_is_an_error() -> None:
    with hanging() as target, pytest.raises(RuntimeError, match=r"failed: no reply within 0\.1 s"):
        drive(target, repeat(GOOD), clients=2, seconds=math.inf)


def test_one_request_gives_its_reply() -> None:
    with stub(refuse_the_bad) as target:
        assert ask(target, GOOD) == b"scores"
        with pytest.raises(RuntimeError, match="status 429"):
            ask(target, BAD)
