"""Plots that compare runs: quality against the pool's size, and losses (or systems) side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from relevance.ranking_metrics import Interval
from training.report.canvas import BLUE, COLOURS, GREY, new_figure, plain_axes

HELD_OUT = "held-out queries"
REFERENCE_STYLES = (("#000000", "--"), (GREY, ":"), (GREY, "-."))
"""Told apart by their dashes as well, and never of a series' colour."""
MULTIPLE_BASE = 4
"""The pool's multiples go by fours: 1, 4, 16, 64."""


@dataclass(frozen=True, slots=True)
class ScalingPoint:
    """One run: the pool's size as a multiple of the judged pairs (0: judged pairs alone), and what came of it."""

    multiple: float
    seed: int
    ndcg10: Interval
    series: str = "student"
    panel: str = HELD_OUT


@dataclass(frozen=True, slots=True)
class Reference:
    """A system that does not depend on the pool: a horizontal line with its interval as a band."""

    name: str
    ndcg10: Interval
    panel: str = HELD_OUT


@dataclass(frozen=True, slots=True)
class Dot:
    """One row of a dot plot: a loss, a system, a setting."""

    name: str
    ndcg10: Interval
    panel: str = HELD_OUT


def scaling_curve(points: Sequence[ScalingPoint], references: Sequence[Reference] = ()) -> Figure:
    """nDCG@10 against the pool's size: mean over seeds with a band, each seed a faint line, one axes a panel.

    The band goes from the lowest seed to the highest.
    """
    panels = list(dict.fromkeys(point.panel for point in points))
    names = dict.fromkeys(reference.name for reference in references)
    styles = {name: REFERENCE_STYLES[number % len(REFERENCE_STYLES)] for number, name in enumerate(names)}
    figure = new_figure(5.6 * len(panels) + 0.6, 4.6)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        here = [point for point in points if point.panel == panel]
        for number, name in enumerate(dict.fromkeys(point.series for point in here)):
            _series(axes, [point for point in here if point.series == name], COLOURS[number % len(COLOURS)])
        for reference in references:
            if reference.panel == panel:
                _reference(axes, reference, styles[reference.name])
        multiples = sorted({point.multiple for point in here})
        axes.set_xticks([_position(multiple) for multiple in multiples], [f"{multiple:g}×" for multiple in multiples])
        plain_axes(axes, "pool size, in multiples of the judged pairs", "nDCG@10 (band: lowest to highest seed)", panel)
        axes.legend(frameon=False, fontsize="small")
    return figure


def loss_ablation(rows: Sequence[Dot]) -> Figure:
    """Losses side by side, the best of the first panel on top."""
    panels = list(dict.fromkeys(row.panel for row in rows))
    return dot_plot(sorted(rows, key=lambda row: (panels.index(row.panel), _from_the_best(row.ndcg10.mean))))


def dot_plot(rows: Sequence[Dot]) -> Figure:
    """nDCG@10 of each name with its interval, from the top down in the order of the first panel."""
    panels = list(dict.fromkeys(row.panel for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    figure = new_figure(4.4 * len(panels) + 1.2, 0.42 * len(names) + 1.2)
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axes, panel in zip(grid, panels, strict=True):
        for row in rows:
            if row.panel == panel and not math.isnan(row.ndcg10.mean):
                _dot(axes, row.ndcg10, names.index(row.name))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        plain_axes(axes, "nDCG@10 (mean, 95 % interval)", "", panel)
    return figure


def _dot(axes: Axes, given: Interval, position: int) -> None:
    axes.plot([given.low, given.high], [position, position], color=BLUE, linewidth=2, alpha=0.5)
    axes.plot([given.mean], [position], color=BLUE, marker="o")
    axes.annotate(f"{given.mean:.3f}", (given.mean, position), (0, 6), textcoords="offset points", ha="center", size=8)


def _series(axes: Axes, points: Sequence[ScalingPoint], colour: str) -> None:
    for seed in sorted({point.seed for point in points}):
        own = sorted((p for p in points if p.seed == seed), key=lambda p: p.multiple)
        xs, ys = [_position(p.multiple) for p in own], [p.ndcg10.mean for p in own]
        axes.plot(xs, ys, color=colour, linewidth=0.8, alpha=0.35)
    multiples = sorted({point.multiple for point in points})
    at = [[p.ndcg10.mean for p in points if p.multiple == multiple] for multiple in multiples]
    middle = [_mean(given) for given in at]
    low, high = ([edge(given) for given in at] for edge in (min, max))
    xs = [_position(multiple) for multiple in multiples]
    seeds = len({point.seed for point in points})
    label = f"{points[0].series}, mean of {seeds} seeds" if seeds > 1 else f"{points[0].series}, one seed"
    axes.fill_between(xs, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.plot(xs, middle, color=colour, marker="o", linewidth=2, label=label)


def _reference(axes: Axes, reference: Reference, style: tuple[str, str]) -> None:
    colour, line = style
    given = reference.ndcg10
    axes.axhspan(given.low, given.high, color=colour, alpha=0.08, linewidth=0)
    axes.axhline(given.mean, color=colour, linestyle=line, linewidth=1.2, label=f"{reference.name}, {given.mean:.3f}")


def _position(multiple: float) -> float:
    """Where a multiple stands on the axis: 0 at 0, then a step for each factor of four from 1 on."""
    if multiple < 1:
        return multiple
    return 1.0 + math.log(multiple, MULTIPLE_BASE)


def _from_the_best(mean: float) -> float:
    return math.inf if math.isnan(mean) else -mean


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
