from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.autotune.choice import candidate_costs
from service.autotune.measuring import ROUNDS, measure
from service.autotune.plan import Fixed, Room, make_plan
from service.autotune.tuning import Layout
from service.errors import BackendError
from tests.service.autotune.fake_engine import FakeEngine, FakeRig

PLAN = make_plan(Fixed(), Room(4), 93)
NARROW, MIDDLE, WIDE = Layout(4, 1), Layout(2, 2), Layout(1, 4)
EVEN = {NARROW: 4e-5, MIDDLE: 2e-5, WIDE: 1e-5}
"""Seconds per token of one session: as a whole the machine is equally fast in every layout."""
SPEEDS = st.floats(1e-7, 1e-1)


@given(
    speeds=st.fixed_dictionaries(dict.fromkeys(PLAN.layouts, SPEEDS)),
    overhead=st.floats(0.0, 2.0),
    loading=st.floats(0.0, 10.0),
    limit=st.floats(0.1, 10.0),
)
@example(speeds=dict.fromkeys(PLAN.layouts, 1e-7), overhead=2.0, loading=0.0, limit=9.0)
def test_time_is_never_exceeded(speeds: dict[Layout, float], overhead: float, loading: float, limit: float) -> None:
    # As in the real rig, opening includes runs of the default micro-batch.
    opening = loading + 4 * (overhead + 256 * max(speeds.values()))
    engine = FakeEngine(speeds, overhead, opening)
    measured = measure(PLAN, engine.open, limit, engine.clock)
    assert engine.now <= max(limit, opening) * (1 + 1e-9)
    assert not engine.open_layouts
    if measured.verdict is not None:
        assert measured.verdict.chosen in PLAN.candidates
        assert measured.verdict.chosen.layout in measured.figures.single_pair


def test_with_time_every_bucket_of_the_contenders_is_measured_in_every_round() -> None:
    engine = FakeEngine(EVEN)
    measured = measure(PLAN, engine.open, 100.0, engine.clock)
    expected = {(c.layout, c.pairs(length), length) for c in PLAN.candidates for length in PLAN.lengths}
    assert {(Layout(row.sessions, row.threads), row.pairs, row.length) for row in measured.figures.table} == expected
    assert len(engine.runs) == ROUNDS * len(expected)


def test_rounds_take_turns_through_the_layouts() -> None:
    engine = FakeEngine(EVEN)
    measure(PLAN, engine.open, 100.0, engine.clock)
    assert [layout for layout, _, _ in engine.runs[:3]] == list(PLAN.layouts)


def test_figures_are_of_the_whole_machine_per_token() -> None:
    engine = FakeEngine({NARROW: 4e-5, MIDDLE: 3e-5, WIDE: 1.4e-5})
    costs = candidate_costs(PLAN, measure(PLAN, engine.open, 100.0, engine.clock).figures.table)
    assert {c.layout: round(cost) for c, cost in costs.items()} == {NARROW: 10_000, MIDDLE: 15_000, WIDE: 14_000}


def test_the_faster_layout_is_chosen() -> None:
    engine = FakeEngine({NARROW: 4e-5, MIDDLE: 2e-5, WIDE: 5e-6}, overhead=1e-4)
    verdict = measure(PLAN, engine.open, 100.0, engine.clock).verdict
    assert verdict is not None
    assert verdict.chosen.layout == WIDE


def test_a_layout_that_is_far_behind_is_measured_at_one_length_only() -> None:
    engine = FakeEngine({**EVEN, WIDE: 1e-3})
    measure(PLAN, engine.open, 100.0, engine.clock)
    assert {length for layout, _, length in engine.runs if layout == WIDE} == {32}


def test_when_time_runs_out_the_typical_length_decides() -> None:
    engine = FakeEngine(EVEN, slower_later=0.001)
    measured = measure(PLAN, engine.open, 1.0, engine.clock)
    assert {row.length for row in measured.figures.table} == {32, 16}
    assert measured.verdict is not None
    assert measured.verdict.costs == candidate_costs(replace(PLAN, lengths=(32,)), measured.figures.table)


def test_opening_layouts_leaves_time_to_measure() -> None:
    engine = FakeEngine(EVEN, opening=0.9)
    measured = measure(PLAN, engine.open, 4.0, engine.clock)
    assert engine.opened == [NARROW, WIDE]
    assert measured.verdict is not None
    assert measured.verdict.chosen.layout in (NARROW, WIDE)


def test_without_time_there_is_no_verdict() -> None:
    engine = FakeEngine(EVEN, opening=10.0)
    assert measure(PLAN, engine.open, 4.0, engine.clock).verdict is None
    assert engine.opened == [NARROW]
    assert engine.runs == []


def test_a_size_that_fails_is_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    engine = FakeEngine(EVEN, overhead=1.0, too_many_tokens=300)
    with caplog.at_level(logging.WARNING):
        verdict = measure(PLAN, engine.open, 1e6, engine.clock).verdict
    assert verdict is not None
    assert verdict.chosen.micro_batch_tokens == 256
    assert all(candidate.micro_batch_tokens <= 256 for candidate in verdict.costs)
    assert "no memory" in str(caplog.records[0].fields)  # type: ignore[attr-defined]


def test_where_every_size_fails_there_is_no_verdict() -> None:
    engine = FakeEngine(EVEN, too_many_tokens=1)
    assert measure(PLAN, engine.open, 4.0, engine.clock).verdict is None


def test_a_layout_that_does_not_open_is_an_error_and_the_others_are_closed() -> None:
    engine = FakeEngine(EVEN)

    def open_first_only(layout: Layout) -> FakeRig:
        if engine.opened:
            raise BackendError("no second one")
        return engine.open(layout)

    with pytest.raises(BackendError, match="no second one"):
        measure(PLAN, open_first_only, 4.0, engine.clock)
    assert not engine.open_layouts


def test_repetitions_that_differ_are_noise() -> None:
    engine = FakeEngine(EVEN)
    assert measure(PLAN, engine.open, 100.0, engine.clock).figures.noise == pytest.approx(0.0)
    engine = FakeEngine(EVEN, slower_later=0.01)
    assert 0.03 < measure(PLAN, engine.open, 100.0, engine.clock).figures.noise < 10
