from __future__ import annotations

from loadtest.bench.rounds import interleaved


def test_rounds_take_turns_and_everybody_is_first_once() -> None:
    order: list[str] = []
    outcomes = interleaved({name: lambda name=name: order.append(name) or len(order) for name in "abc"}, rounds=3)  # type: ignore[misc]
    assert "".join(order) == "abc" + "bca" + "cab"
    assert outcomes == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def test_nobody_has_no_outcomes() -> None:
    assert interleaved({}, rounds=3) == {}
