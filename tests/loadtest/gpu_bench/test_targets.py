from __future__ import annotations

import pytest

from loadtest.gpu_bench.targets import NOT_MEASURED, TARGETS, judge

REACHED = {
    "http_p99_ms": 7.9,
    "http_pairs_per_s": 61_000.0,
    "raw_pairs_per_s": 150_000.0,
    "bert_base_utilisation": 0.46,
    "times_torch": 1.6,
    "ndcg_lost": 0.001,
}


def verdicts(figures: dict[str, float | None], comparable: bool = True) -> dict[str, str]:
    return {target.figure: verdict for target, _, verdict in judge(figures, comparable)}


def test_each_target_is_reached_on_its_right_side() -> None:
    assert set(verdicts(dict(REACHED)).values()) == {"reached"}
    assert {target.figure for target in TARGETS} == set(REACHED)


@pytest.mark.parametrize(
    ("figure", "value"), [("http_p99_ms", 8.1), ("raw_pairs_per_s", 149_999.0), ("ndcg_lost", float("nan"))]
)
def test_one_that_is_passed_is_missed_and_says_so_alone(figure: str, value: float) -> None:
    found = verdicts({**REACHED, figure: value})
    assert found.pop(figure) == "missed"
    assert set(found.values()) == {"reached"}


def test_what_is_left_out_or_of_another_device_is_not_measured() -> None:
    assert verdicts({**REACHED, "times_torch": None})["times_torch"] == NOT_MEASURED
    assert set(verdicts(dict(REACHED), comparable=False).values()) == {NOT_MEASURED}
