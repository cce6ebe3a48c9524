"""The requests of a budget: when each is sent, and what is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from loadtest.arrivals import Times, replayed_arrivals
from loadtest.budget import Budget, BudgetError, Workload
from loadtest.loads import ReplayLoad
from loadtest.replay import read_log
from loadtest.routes import ROUTES, Route
from loadtest.shapes import DEFAULT_SHAPES, load_shapes
from loadtest.shop_workload import Shop
from loadtest.systems import Call
from loadtest.workload import Body

DEADLINE_HEADER: Final = "x-deadline-ms"
"""All routes take it; a body of a replayed log may name its own deadline."""


class NothingSentError(BudgetError):
    """A load that would measure nothing: no request comes after its warm-up."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Call i modulo their number is sent at `arrivals[i]` (s); the load lasts `seconds`."""

    arrivals: Times
    calls: Sequence[Call] = field(repr=False)
    seconds: float
    route: Route = ROUTES["score"]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def repeats(self) -> bool:
        """Whether requests come again because there are more arrivals than different ones."""
        return len(self.calls) < len(self.arrivals)


def requests_of(budget: Budget, stream: int = 0) -> Requests:
    """Draw or read them; another stream is drawn from the same shop. A log has one stream only.

    NothingSentError if there are none; BudgetError, LogError and ShapesError if a setting or a file is bad.
    """
    if isinstance(budget.load, ReplayLoad):
        requests = _replayed(budget.load, budget.workload)
    else:
        arrivals = budget.load.arrivals(budget.workload.seed + stream)
        bodies = _shop(budget.workload).bodies(min(len(arrivals), budget.workload.most_bodies), stream)
        requests = _requests(arrivals, bodies, budget.load.seconds, budget.workload)
    if not any(arrival >= budget.warm_up_seconds for arrival in requests.arrivals):
        raise NothingSentError("the load sends no request after its warm-up: raise its rate or its seconds")
    return requests


def _replayed(load: ReplayLoad, workload: Workload) -> Requests:
    lines = read_log(load.log)
    limit = float("inf") if load.seconds is None else load.seconds
    arrivals = replayed_arrivals([line.at for line in lines], load.speed, limit)
    bodies = [line.body for line in lines[: len(arrivals)]]
    # After its last line a log offers nothing, however long it was to be replayed.
    whole = len(arrivals) == len(lines)
    return _requests(arrivals, bodies, arrivals[-1] if whole else limit, workload)


def _shop(workload: Workload) -> Shop:
    shapes = load_shapes(workload.shapes or DEFAULT_SHAPES).of_length(workload.candidates)
    given = workload.model_dump(include={"seed", "queries", "products", "zipf", "products_as"})
    try:
        return Shop(shapes, **given)
    except ValueError as error:
        raise BudgetError(f"workload: {error}") from error


def _requests(arrivals: Times, bodies: Sequence[Body], seconds: float, workload: Workload) -> Requests:
    route = ROUTES[workload.route]
    headers = {} if workload.deadline_ms is None else {DEADLINE_HEADER: f"{workload.deadline_ms:g}"}
    return Requests(arrivals, [route.call(body) for body in bodies], seconds, route, headers)
