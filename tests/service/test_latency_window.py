from __future__ import annotations

import math

import pytest

from service.latency_window import LatencyWindow


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_empty_window_has_no_quantiles(clock: Clock) -> None:
    assert all(math.isnan(value) for value in LatencyWindow(clock).quantiles([0.5, 0.99]))


def test_quantiles_are_within_one_percent(clock: Clock) -> None:
    window = LatencyWindow(clock)
    for millisecond in range(1, 1001):
        window.add(millisecond / 1000)
    assert window.quantiles([0.5, 0.95, 0.99]) == pytest.approx([0.5, 0.95, 0.99], rel=0.02)


def test_all_six_slots_count(clock: Clock) -> None:
    window = LatencyWindow(clock)
    for slot in range(6):
        window.add(slot + 1.0)
        clock.now += 10 if slot < 5 else 0
    assert window.quantiles([0.0, 1.0]) == pytest.approx([1.0, 6.0], rel=0.01)


def test_what_is_older_than_a_minute_is_forgotten(clock: Clock) -> None:
    window = LatencyWindow(clock)
    window.add(5.0)
    clock.now += 30
    window.add(0.1)
    assert window.quantiles([1.0]) == pytest.approx([5.0], rel=0.01)
    clock.now += 30
    assert window.quantiles([1.0]) == pytest.approx([0.1], rel=0.01)
    clock.now += 30
    assert math.isnan(window.quantiles([1.0])[0])


def test_a_long_silence_leaves_nothing_behind(clock: Clock) -> None:
    window = LatencyWindow(clock)
    window.add(5.0)
    clock.now += 1e6
    window.add(0.2)
    assert window.quantiles([0.0, 1.0]) == pytest.approx([0.2, 0.2], rel=0.01)
