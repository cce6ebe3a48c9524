"""The requests of a budget: when each is sent, and what is in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from loadtest.arrivals import Times, replayed_arrivals
from loadtest.budget import Budget, BudgetError, Workload
from loadtest.loads import ReplayLoad
from loadtest.replay import read_log
from loadtest.shapes import DEFAULT_SHAPES, load_shapes
from loadtest.shop_workload import Shop
from loadtest.systems import Aisle, Call
from loadtest.workload import Body


@dataclass(frozen=True, slots=True)
class Requests:
    """Call i modulo their number is sent at `arrivals[i]` (s); the load lasts `seconds`."""

    arrivals: Times
    calls: Sequence[Call] = field(repr=False)
    seconds: float

    @property
    def repeats(self) -> bool:
        """Whether requests come again because there are more arrivals than different ones."""
        return len(self.calls) < len(self.arrivals)


def requests_of(budget: Budget, stream: int = 0) -> Requests:
    """Draw or read them; another stream is drawn from the same shop. A log has one stream only.

    BudgetError if there are none; LogError and ShapesError if a file is bad.
    """
    if isinstance(budget.load, ReplayLoad):
        requests = _replayed(budget.load, budget.workload)
    else:
        arrivals = budget.load.arrivals(budget.workload.seed + stream)
        bodies = _shop(budget.workload).bodies(min(len(arrivals), budget.workload.most_bodies), stream)
        requests = Requests(arrivals, _calls(bodies, budget.workload), budget.load.seconds)
    if not any(arrival >= budget.warm_up_seconds for arrival in requests.arrivals):
        raise BudgetError("the load sends no request after its warm-up: raise its rate or its seconds")
    return requests


def _replayed(load: ReplayLoad, workload: Workload) -> Requests:
    lines = read_log(load.log)
    limit = float("inf") if load.seconds is None else load.seconds
    arrivals = replayed_arrivals([line.at for line in lines], load.speed, limit)
    bodies = [line.body for line in lines[: len(arrivals)]]
    return Requests(arrivals, _calls(bodies, workload), load.seconds or arrivals[-1])


def _shop(workload: Workload) -> Shop:
    shapes = load_shapes(workload.shapes or DEFAULT_SHAPES).of_length(workload.candidates)
    given = workload.model_dump(include={"seed", "queries", "products", "zipf", "products_as"})
    try:
        return Shop(shapes, **given)
    except ValueError as error:
        raise BudgetError(f"workload: {error}") from error


def _calls(bodies: Sequence[Body], workload: Workload) -> list[Call]:
    extra: dict[str, Any] = {} if workload.deadline_ms is None else {"deadline_ms": workload.deadline_ms}
    return [Aisle().call(body | extra) for body in bodies]
