from __future__ import annotations

from service.served import Scored, Stage, Timings

TIMINGS = Timings(Stage(0.0001, 0.001234), Stage(0.0014, 0.0005), Stage(0.0019, 0.02), total=0.022)


def test_milliseconds_are_the_seconds() -> None:
    assert TIMINGS.milliseconds() == {"tokenize": 1.234, "queue": 0.5, "inference": 20.0, "total": 22.0}
    assert TIMINGS.seconds() == {"tokenize": 0.001234, "queue": 0.0005, "inference": 0.02, "total": 0.022}


def test_what_is_not_scored_makes_it_degraded() -> None:
    assert Scored(TIMINGS, candidates=3, scored=2, truncated=0).degraded
    assert not Scored(TIMINGS, candidates=3, scored=3, truncated=1).degraded
