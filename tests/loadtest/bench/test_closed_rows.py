from __future__ import annotations

from loadtest.bench.closed_rows import closed_rows, speeds_of
from loadtest.measured import Measured

ROUNDS = {
    "aisle": [Measured(100, 1.0, [0.010, 0.020]), Measured(200, 1.0, [0.030]), Measured(110, 1.0, [0.040])],
    "raw": [Measured(200, 1.0, [0.001]), Measured(400, 1.0, [0.002]), Measured(440, 2.0, [])],
}


def test_speeds_and_ratios_are_medians_over_the_rounds() -> None:
    assert speeds_of(ROUNDS) == {"aisle": [100.0, 200.0, 110.0], "raw": [200.0, 400.0, 220.0]}
    rows = closed_rows(ROUNDS)
    assert rows["pairs_per_s"] == {"aisle": 110.0, "raw": 220.0}
    assert rows["aisle_to_this"] == {"raw": 0.5}


def test_latencies_are_those_of_all_rounds_together() -> None:
    rows = closed_rows({**ROUNDS, "silent": [Measured(1, 1.0, [])]})
    assert rows["p50_ms"] == {"aisle": 30.0, "raw": 2.0, "silent": None}
    assert rows["p99_ms"] == {"aisle": 40.0, "raw": 2.0, "silent": None}
