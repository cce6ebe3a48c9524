from __future__ import annotations

import json

import pytest

from loadtest.bench.overload import goodput_pairs_per_s
from loadtest.outcomes import Outcome
from loadtest.systems import Aisle

PAIRS = 10


def outcome(meant: float, latency: float, scored: int = PAIRS, status: int = 200) -> Outcome:
    results = [{"index": index, "score": 0.5, "rank": index + 1} for index in range(PAIRS)]
    reply = json.dumps({"results": results, "scored": scored, "total": PAIRS}).encode()
    return Outcome(PAIRS, meant, 0.0, latency, status, reply if status == 200 else b"busy")


def test_only_whole_answers_within_the_deadline_count() -> None:
    outcomes = [
        outcome(0.0, 0.1),
        outcome(0.2, 0.2),
        outcome(0.4, 0.201),
        outcome(0.6, 0.1, scored=PAIRS - 1),
        outcome(0.8, 0.01, status=429),
        Outcome(PAIRS, 0.9, 0.0),
    ]
    assert goodput_pairs_per_s(outcomes, Aisle(), seconds=1.0) == 2 * PAIRS / 1.0


def test_the_time_of_the_last_answers_counts() -> None:
    outcomes = [outcome(0.0, 0.1), outcome(0.95, 0.15)]
    assert goodput_pairs_per_s(outcomes, Aisle(), seconds=1.0) == pytest.approx(2 * PAIRS / 1.1)


def test_nothing_good_is_no_goodput() -> None:
    assert goodput_pairs_per_s([Outcome(PAIRS, 0.0, 0.0)], Aisle(), seconds=1.0) == 0.0
