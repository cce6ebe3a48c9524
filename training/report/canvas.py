"""What all plots share: figures without global state, one palette, PNG bytes."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.run_directory import whole_file

DOTS_PER_INCH = 150
# Told apart by people who see colours differently too (Okabe & Ito).
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#9a4f80", "#6b7178"
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, whose parts are laid out without overlaps."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plain_axes(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Name the axes (with their units) and take away what says nothing."""
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left", fontsize="medium")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e6e8ea", linewidth=0.8)
    axes.set_axisbelow(True)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file's content, the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG or SVG, by the path's ending, in one step."""
    with whole_file(path) as partial:
        figure.savefig(partial, format=path.suffix.removeprefix("."), dpi=DOTS_PER_INCH)
