from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.autotune.choice import DOUBT, NOISE, Figures, candidate_costs, choose, contenders
from service.autotune.plan import Fixed, Plan, Room, make_plan
from service.autotune.tuning import BucketSpeed, Layout, OperatingPoint

PLAN = make_plan(Fixed(), Room(4), 93)
WIDE, NARROW = Layout(1, 4), Layout(4, 1)


def table_of(plan: Plan, ns: Callable[[OperatingPoint, int], float]) -> tuple[BucketSpeed, ...]:
    """Every bucket of the plan; `ns` gives its figure from candidate and length."""
    rows = {(c.layout, c.pairs(length), length): ns(c, length) for c in plan.candidates for length in plan.lengths}
    return tuple(
        BucketSpeed(sessions=layout.sessions, threads=layout.threads, pairs=pairs, length=length, ns_per_token=figure)
        for (layout, pairs, length), figure in rows.items()
    )


def figures(ns: Callable[[OperatingPoint, int], float], noise: float = 0.0, **alone: float) -> Figures:
    single_pair = {layout: alone.get(f"x{layout.threads}", 1.0) for layout in PLAN.layouts}
    return Figures(table_of(PLAN, ns), single_pair, noise)


@st.composite
def random_figures(draw: st.DrawFn) -> Figures:
    table = table_of(PLAN, lambda *_: draw(st.floats(1.0, 1.2)))
    single_pair = {layout: draw(st.floats(1.0, 2.0)) for layout in PLAN.layouts}
    return Figures(table, single_pair, draw(st.floats(0.0, 0.3)))


@given(random_figures(), st.randoms())
def test_the_choice_is_close_to_the_best_and_depends_on_the_figures_alone(given: Figures, random: object) -> None:
    verdict = choose(PLAN, given)
    assert verdict is not None
    assert verdict.chosen in PLAN.candidates
    assert verdict.costs[verdict.chosen] <= min(verdict.costs.values()) * (1 + max(NOISE, DOUBT * given.noise))
    shuffled = list(given.table)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = choose(PLAN, Figures(tuple(shuffled), given.single_pair, given.noise))
    assert again == verdict


@given(random_figures())
def test_on_a_quiet_machine_nothing_equally_fast_is_smaller_and_as_quick_for_one_pair(given: Figures) -> None:
    quiet = Figures(given.table, given.single_pair, 0.0)
    verdict = choose(PLAN, quiet)
    assert verdict is not None
    best = min(verdict.costs.values())
    for other, cost in verdict.costs.items():
        if cost <= best * (1 + NOISE) and quiet.single_pair[other.layout] <= quiet.single_pair[verdict.chosen.layout]:
            assert other.micro_batch_tokens >= verdict.chosen.micro_batch_tokens


def test_what_is_clearly_faster_wins() -> None:
    best = OperatingPoint(Layout(2, 2), 512)
    verdict = choose(PLAN, figures(lambda c, _: 100 if c == best else 104))
    assert verdict is not None
    assert (verdict.chosen, verdict.reason) == (best, "the fastest")


def test_of_equally_fast_ones_the_quicker_for_one_pair_wins() -> None:
    verdict = choose(PLAN, figures(lambda c, _: 100 if c.layout == NARROW else 102, x1=2.0, x2=1.5, x4=1.0))
    assert verdict is not None
    assert verdict.chosen == OperatingPoint(WIDE, 64)
    assert "one pair alone" in verdict.reason


def test_of_equally_fast_ones_the_smaller_micro_batch_wins() -> None:
    ns = {64: 120, 128: 102, 256: 101, 512: 100, 1024: 105}

    def figure(candidate: OperatingPoint, length: int) -> float:
        # At 93 tokens the two smallest hold one pair both: one bucket.
        return (ns[candidate.micro_batch_tokens] if length < 93 else 100) + 50 * (candidate.layout != NARROW)

    verdict = choose(PLAN, figures(figure))
    assert verdict is not None
    assert verdict.chosen == OperatingPoint(NARROW, 128)
    assert "smaller micro-batches" in verdict.reason


@pytest.mark.parametrize(("noise", "size"), [(0.0, 512), (0.045, 512), (0.055, 256)])
def test_a_noisy_machine_keeps_the_default_unless_the_gain_is_beyond_doubt(noise: float, size: int) -> None:
    verdict = choose(PLAN, figures(lambda c, _: 100 if c == OperatingPoint(NARROW, 512) else 110, noise))
    assert verdict is not None
    assert verdict.chosen == OperatingPoint(NARROW, size)
    assert ("noisy" in verdict.reason) == (size == 256)


def test_a_cost_is_the_mean_of_the_lengths() -> None:
    costs = candidate_costs(PLAN, table_of(PLAN, lambda _, length: length))
    assert set(costs.values()) == {(16 + 32 + 64 + 93) / 4}


def test_a_length_that_some_lack_counts_for_none() -> None:
    full = table_of(PLAN, lambda _, length: length)
    cut = [row for row in full if not (row.length == 93 and row.threads == 2)]
    assert set(candidate_costs(PLAN, cut).values()) == {(16 + 32 + 64) / 3}


def test_a_layout_that_was_not_measured_is_no_candidate() -> None:
    only_narrow = [row for row in table_of(PLAN, lambda *_: 1.0) if row.threads == 1]
    assert {candidate.layout for candidate in candidate_costs(PLAN, only_narrow)} == {NARROW}


def test_without_measurements_there_is_no_verdict_and_everybody_is_a_contender() -> None:
    assert choose(PLAN, Figures((), {}, 0.0)) is None
    assert contenders(PLAN, Figures((), {}, 0.0)) == PLAN.candidates


def test_what_is_far_behind_is_no_contender() -> None:
    measured = figures(lambda c, _: 151 if c.layout == WIDE else 100)
    assert {candidate.layout for candidate in contenders(PLAN, measured)} == {NARROW, Layout(2, 2)}
    noisy = figures(lambda c, _: 151 if c.layout == WIDE else 100, noise=0.6)
    assert contenders(PLAN, noisy) == PLAN.candidates


def test_the_default_is_always_a_contender() -> None:
    measured = figures(lambda c, _: 100 if c.layout == WIDE else 1000)
    assert contenders(PLAN, measured)[0] == PLAN.default
    assert {candidate.layout for candidate in contenders(PLAN, measured)[1:]} == {WIDE}
