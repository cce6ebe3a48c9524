"""Choosing from measurements. Pure: the same plan and figures give the same choice.

Every candidate's cost is its mean over the pair lengths, in ns of the whole machine per padded token.
Among those within `NOISE` of the cheapest, the layout goes with which one pair alone is answered first, then the
smallest micro-batch: what a newly arrived pair waits for is the batch that is running. Where the machine was
too noisy to tell so small differences, the plan's default stays unless something is faster beyond doubt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from service.autotune.plan import Plan
from service.autotune.tuning import BucketSpeed, Layout, OperatingPoint

NOISE = 0.03
"""Smaller differences, in parts, do not count."""
DOUBT = 2.0
"""Two figures that each are wrong by the noise may differ by so many times of it."""
CONTENDER = 0.5
"""A candidate that much behind the cheapest at one length is not measured at the next."""

Costs = Mapping[OperatingPoint, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: buckets, seconds of one pair alone, and by which part repetitions differed."""

    table: tuple[BucketSpeed, ...]
    single_pair: Mapping[Layout, float]
    noise: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The chosen candidate, why it was, and all costs in ns per token."""

    chosen: OperatingPoint
    reason: str
    costs: Costs


def choose(plan: Plan, figures: Figures) -> Verdict | None:
    """The best candidate, or None if none was measured."""
    costs = candidate_costs(plan, figures.table)
    if not costs:
        return None
    doubt = DOUBT * figures.noise
    if doubt > NOISE and plan.default in _within(costs, doubt):
        return Verdict(plan.default, "the default: the machine is too noisy to tell what is faster", costs)
    close = _within(costs, NOISE)
    bound = min(figures.single_pair[candidate.layout] for candidate in close) * (1 + NOISE)
    quick = [candidate for candidate in close if figures.single_pair[candidate.layout] <= bound]
    chosen = min(quick, key=lambda candidate: (candidate.micro_batch_tokens, costs[candidate]))
    return Verdict(chosen, _reason(chosen, min(costs, key=costs.__getitem__)), costs)


def _reason(chosen: OperatingPoint, cheapest: OperatingPoint) -> str:
    if chosen == cheapest:
        return "the fastest"
    within = f"within {NOISE:.0%} of the fastest"
    if chosen.layout != cheapest.layout:
        return f"{within}, and one pair alone takes less time"
    return f"{within}, with smaller micro-batches"


def contenders(plan: Plan, figures: Figures) -> tuple[OperatingPoint, ...]:
    """Candidates worth measuring at another length; the default stays, to be compared with."""
    costs = candidate_costs(plan, figures.table)
    close = _within(costs, max(CONTENDER, figures.noise)) if costs else plan.candidates
    return tuple(candidate for candidate in plan.candidates if candidate in (*close, plan.default))


def candidate_costs(plan: Plan, table: Sequence[BucketSpeed]) -> Costs:
    """ns per token of every candidate that was measured at the plan's first length.

    Where time ran out, a length that some of them lack counts for none: means must be of the same lengths.
    """
    measured = {(Layout(row.sessions, row.threads), row.pairs, row.length): row.ns_per_token for row in table}

    def has(candidate: OperatingPoint, length: int) -> bool:
        return (candidate.layout, candidate.pairs(length), length) in measured

    rivals = [candidate for candidate in plan.candidates if has(candidate, plan.lengths[0])]
    lengths = [length for length in plan.lengths if all(has(candidate, length) for candidate in rivals)]
    return {
        candidate: fmean(measured[candidate.layout, candidate.pairs(length), length] for length in lengths)
        for candidate in rivals
    }


def _within(costs: Costs, part: float) -> tuple[OperatingPoint, ...]:
    bound = min(costs.values()) * (1 + part)
    return tuple(candidate for candidate, cost in costs.items() if cost <= bound)
