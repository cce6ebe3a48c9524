"""The Zipf load's requests: as many as its time takes, however fast the service is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.bench import split_loads
from loadtest.bench.arena import Arena, Contestant, Pace
from loadtest.bench.split_loads import AT_A_TIME, endless_calls, zipf
from loadtest.measured import Measured
from loadtest.shapes import load_shapes
from loadtest.shop_workload import Shop
from loadtest.systems import AISLE, Aisle, Call
from tests.tiny_split import write_split_bundle

STOCK = Shop(load_shapes().of_length(5), queries=40, products=200)


def test_requests_go_on_with_other_days_of_the_same_shop() -> None:
    made = list(islice(endless_calls(Aisle(), STOCK, ahead=30), 30 + 2 * AT_A_TIME))
    days = [*STOCK.bodies(30), *STOCK.bodies(AT_A_TIME, 1), *STOCK.bodies(AT_A_TIME, 2)]
    assert made == [Aisle().call(body) for body in days]


def test_no_more_requests_are_in_memory_than_there_are_queries() -> None:
    made = list(islice(endless_calls(Aisle(), STOCK, ahead=30), 2_000))
    assert len({id(call) for call in made}) <= STOCK.queries


def test_a_fast_service_is_asked_for_all_of_the_time_which_the_title_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contestant = Contestant(Aisle(), server=SimpleNamespace())  # type: ignore[arg-type]

    @contextmanager
    def aisles(*_: Any) -> Iterator[dict[str, Contestant]]:
        yield {AISLE: contestant}

    def drive(_: Contestant, calls: Iterable[Call], clients: int, seconds: float) -> Measured:
        answered = list(islice(calls, round(1.5 * split_loads.AHEAD * seconds)))
        return Measured(sum(call.pairs for call in answered), seconds + 0.6, [0.01] * len(answered))

    monkeypatch.setattr(split_loads, "aisles", aisles)
    monkeypatch.setattr(split_loads, "AHEAD", 10)
    monkeypatch.setattr(Contestant, "drive", drive)
    split = write_split_bundle(tmp_path / "split")
    arena = Arena(split, None, [contestant], Pace(open_seconds=4.0), split=split)  # type: ignore[arg-type]
    result = zipf(arena)
    assert result.facts["requests"] == 300
    assert result.title.endswith(", from cold, 21 s")
