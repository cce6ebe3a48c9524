from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from loadtest.arrivals import burst_arrivals, constant_arrivals, poisson_arrivals, ramp_arrivals, step_arrivals
from loadtest.loads import Load, ReplayLoad

LOAD: TypeAdapter[Load] = TypeAdapter(Load)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kind": "poisson", "rate": 9, "seconds": 4}, poisson_arrivals(9, 4, 3)),
        ({"kind": "constant", "rate": 9, "seconds": 4}, constant_arrivals(9, 4)),
        (
            {"kind": "step", "steps": [{"rate": 9, "seconds": 1}, {"rate": 0, "seconds": 3}]},
            step_arrivals([(9, 1), (0, 3)], 3),
        ),
        ({"kind": "ramp", "from_rate": 0, "to_rate": 9, "seconds": 4}, ramp_arrivals((0, 9), 4, 3)),
        (
            {"kind": "burst", "rate": 9, "burst_size": 5, "burst_every": 1, "seconds": 4},
            burst_arrivals(9, (5, 1), 4, 3),
        ),
    ],
)
def test_each_kind_has_its_arrivals(settings: dict[str, Any], expected: tuple[float, ...]) -> None:
    load = LOAD.validate_python(settings)
    assert not isinstance(load, ReplayLoad)
    assert load.arrivals(3) == expected
    assert load.seconds == 4


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "poisson", "rate": 0, "seconds": 4},
        {"kind": "constant", "rate": 9, "seconds": float("inf")},
        {"kind": "step", "steps": []},
        {"kind": "ramp", "from_rate": 0, "to_rate": 0, "seconds": 4},
        {"kind": "burst", "rate": 1, "burst_size": 0, "burst_every": 1, "seconds": 4},
        {"kind": "tide", "rate": 1, "seconds": 4},
    ],
)
def test_a_load_that_cannot_be_is_an_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LOAD.validate_python(settings)
