"""Draws the latency curve."""

from __future__ import annotations

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from loadtest.bench.curve import CANDIDATES, Curve

ENDINGS = (".png", ".svg")
# Told apart by people who see colours differently too (Okabe & Ito).
COLOURS = ("#0072b2", "#d55e00", "#009e73")


def draw_curve(curve: Curve, path: Path) -> None:
    """Write the plot: p99 as a line with points, p50 dashed, in ms on a logarithmic axis. PNG or SVG by the ending."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for colour, (name, points) in zip(COLOURS, curve.items(), strict=False):
        loads = [point.pairs_per_s for point in points]
        axes.plot(loads, [_or_gap(point.p99_ms) for point in points], color=colour, marker="o", label=f"{name}, p99")
        axes.plot(
            loads, [_or_gap(point.p50_ms) for point in points], color=colour, linestyle="--", label=f"{name}, p50"
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("offered load, pairs/s")
    axes.set_ylabel("latency, ms")
    axes.set_title(f"requests of {CANDIDATES} candidates, Poisson arrivals", loc="left", fontsize="medium")
    axes.grid(visible=True, color="#e6e8ea", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value
