"""The plots of a report, each as the text of an SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from loadtest.report.record import Point, Record, Slice, UsageSample

# Told apart by people who see colours differently too (Okabe & Ito).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8b949e"
QUANTILES = (("p50_ms", GREEN), ("p95_ms", BLUE), ("p99_ms", ORANGE))
SUMMED_STAGES = (("tokenize", GREEN), ("queue", ORANGE), ("inference", BLUE))


def pictures_of(record: Record) -> dict[str, str]:
    """Title → SVG, of what the record holds."""
    drawn: dict[str, str] = {}
    if record.slices:
        drawn["Latency over time"] = latency_over_time(record.slices, record.budget.get("limits", {}))
    if any(one.stages_ms for one in record.slices):
        drawn["Where the time went"] = stages_over_time(record.slices)
    if any(one.errors or one.degraded for one in record.slices):
        drawn["Errors and degraded answers"] = failures_over_time(record.slices)
    if record.usage:
        drawn["CPU and memory of the service"] = usage_over_time(record.usage)
    if record.capacity and record.capacity.points:
        drawn["Latency against offered load"] = hockey_stick(record.capacity.points)
    return drawn


def latency_over_time(slices: Sequence[Slice], limits: dict[str, float]) -> str:
    """Quantiles of each slice (ms, logarithmic); a limit is a dotted line of its quantile's colour.

    In grey and on the right, the requests that were meant to be sent.
    """
    figure, axes = _axes("s of the load", "latency, ms")
    _offered(axes, slices)
    for name, colour in QUANTILES:
        values = [_or_gap(getattr(one, name)) for one in slices]
        axes.plot(_middles(slices), values, color=colour, marker=".", label=name.removesuffix("_ms"))
        if name in limits:
            axes.axhline(limits[name], color=colour, linestyle=":", label=f"{name.removesuffix('_ms')} allowed")
    _logarithmic(axes)
    return _svg(figure, axes)


def stages_over_time(slices: Sequence[Slice]) -> str:
    """Mean of each stage as the service tells it (ms), stacked, under the mean that the client saw."""
    figure, axes = _axes("s of the load", "mean, ms")
    told = [one for one in slices if one.stages_ms]
    heights = [[one.stages_ms[stage] for one in told] for stage, _ in SUMMED_STAGES]
    names, colours = zip(*SUMMED_STAGES, strict=True)
    axes.stackplot(_middles(told), heights, labels=names, colors=colours, alpha=0.7)
    axes.plot(_middles(told), [one.stages_ms["total"] for one in told], color="black", label="total in the service")
    seen = [_mean([ms for ms in one.latencies_ms if ms is not None]) for one in told]
    axes.plot(_middles(told), seen, color="black", linestyle="--", label="seen by the client")
    axes.set_ylim(bottom=0)
    return _svg(figure, axes)


def failures_over_time(slices: Sequence[Slice]) -> str:
    """Requests of each slice without scores, and answers with pairs left unscored."""
    figure, axes = _axes("s of the load", "requests")
    width = min(one.seconds for one in slices)
    errors, degraded = ([getattr(one, name) for one in slices] for name in ("errors", "degraded"))
    axes.bar(_middles(slices), errors, width, color=ORANGE, label="errors")
    axes.bar(_middles(slices), degraded, width, bottom=errors, color=PURPLE, label="degraded")
    return _svg(figure, axes)


def usage_over_time(samples: Sequence[UsageSample]) -> str:
    """Cores kept busy on the left, resident memory (MB) on the right."""
    figure, axes = _axes("s of the load", "cores busy")
    times = [sample.at for sample in samples]
    axes.plot(times, [sample.cores for sample in samples], color=BLUE, label="CPU")
    axes.set_ylim(bottom=0)
    memory = axes.twinx()
    memory.plot(times, [sample.resident_mb for sample in samples], color=PURPLE, label="memory")
    # A plot without curves has no legend; this one gives the other's colour a name.
    axes.plot([], [], color=PURPLE, label="memory")
    memory.set_ylabel("resident MB")
    memory.set_ylim(0, 1.1 * max(sample.resident_mb for sample in samples))
    memory.spines[["top"]].set_visible(False)
    return _svg(figure, axes)


def hockey_stick(points: Sequence[Point]) -> str:
    """p99 and p50 (ms, logarithmic) at each rate that was tried; a filled point held."""
    figure, axes = _axes("offered requests/s", "latency, ms")
    ordered = sorted(points, key=lambda point: point.rate)
    for name, colour, line in (("p99_ms", ORANGE, "-"), ("p50_ms", GREEN, "--")):
        values = [_or_gap(getattr(point, name)) for point in ordered]
        rates = [point.rate for point in ordered]
        axes.plot(rates, values, color=colour, linestyle=line, label=name.removesuffix("_ms"))
        faces = [colour if point.holds else "white" for point in ordered]
        axes.scatter(rates, values, color=faces, edgecolors=colour, zorder=3)
    _logarithmic(axes)
    return _svg(figure, axes)


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, color="#e6e8ea", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _offered(axes: Axes, slices: Sequence[Slice]) -> None:
    rates = [len(one.latencies_ms) / one.seconds for one in slices]
    right = axes.twinx()
    right.plot(_middles(slices), rates, color=GREY, linewidth=0.8)
    axes.plot([], [], color=GREY, linewidth=0.8, label="offered")
    right.set_ylabel("offered requests/s")
    right.set_ylim(0, 1.1 * max(rates))
    right.spines[["top"]].set_visible(False)


def _logarithmic(axes: Axes) -> None:
    """Unless nothing is drawn: a logarithmic axis has to have a number."""
    drawn = [np.asarray(line.get_ydata(), dtype=np.float64) for line in axes.get_lines()]
    if any((values > 0).any() for values in drawn):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def _svg(figure: Figure, axes: Axes) -> str:
    axes.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, 1.18), ncols=6)
    text = io.StringIO()
    # Equal records give equal pages: no date, and names of parts that are not drawn by chance.
    with rc_context({"svg.hashsalt": "aisle"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()


def _middles(slices: Sequence[Slice]) -> list[float]:
    return [one.at + one.seconds / 2 for one in slices]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _or_gap(value: float | None) -> float:
    return float("nan") if value is None else value
