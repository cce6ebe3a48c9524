"""The plots of one run: reliability, scores, losses. Plain data in, a figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from relevance.ranking_metrics import expected_calibration_error, reliability_bins
from training.evaluation.scored_pairs import FloatArray
from training.report.canvas import BLUE, GREY, ORANGE, new_figure, plain_axes

BINS = 10
HISTOGRAM_BINS = 40
LARGEST_AVERAGE = 50


def reliability_diagram(targets: FloatArray, probabilities: Mapping[str, FloatArray]) -> Figure:
    """Mean target against mean probability in ten bins, with the pairs in each; a panel for each of `probabilities`."""
    figure = new_figure(4.6 * len(probabilities), 5.4)
    grid = figure.subplots(2, len(probabilities), squeeze=False, height_ratios=[3, 1], sharex=True)
    for column, (name, given) in enumerate(probabilities.items()):
        bins = reliability_bins(targets, given, BINS)
        upper, lower = grid[0, column], grid[1, column]
        upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect")
        points = ([b.probability for b in bins], [b.target for b in bins])
        upper.plot(*points, color=BLUE, marker="o", label="pairs in a bin")
        error = expected_calibration_error(targets, given, BINS)
        plain_axes(upper, "", "mean human target", f"{name}: ECE {error:.3f}")
        upper.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        upper.legend(loc="upper left", frameon=False)
        edges = [min(int(b.probability * BINS), BINS - 1) / BINS + 0.5 / BINS for b in bins]
        bars = lower.bar(edges, [b.pairs for b in bins], width=0.9 / BINS, color=BLUE)
        lower.bar_label(bars, fontsize="small", padding=1)
        lower.margins(y=0.3)
        plain_axes(lower, "probability of relevance", "pairs")
    return figure


def score_histogram(scores: Mapping[str, FloatArray], relevant: Sequence[bool] | np.ndarray) -> Figure:
    """Scores of relevant and of other pairs, one panel a system on one common axis."""
    flags = np.asarray(relevant, dtype=bool)
    everything = np.concatenate(list(scores.values()))
    edges = np.histogram_bin_edges(everything, HISTOGRAM_BINS)
    figure = new_figure(8.4, 2.4 * len(scores) + 0.4)
    panels = figure.subplots(len(scores), 1, squeeze=False, sharex=True)[:, 0]
    for number, (axes, (system, given)) in enumerate(zip(panels, scores.items(), strict=True)):
        for kind, colour, chosen in (("relevant", BLUE, flags), ("other", ORANGE, ~flags)):
            label = f"{kind} ({np.count_nonzero(chosen)} pairs)"
            axes.hist(given[chosen], bins=edges, color=colour, alpha=0.5, label=label)
        plain_axes(axes, "score (logit)" if number == len(scores) - 1 else "", "pairs", system)
        axes.legend(frameon=False)
    return figure


def loss_curve(losses: Mapping[str, Sequence[tuple[int, float]]]) -> Figure:
    """Loss by step, and its moving average, one panel a trained model."""
    figure = new_figure(8.4, 2.8 * len(losses))
    for axes, (name, logged) in zip(figure.subplots(len(losses), 1, squeeze=False)[:, 0], losses.items(), strict=True):
        steps, values = (np.array(part, dtype=np.float64) for part in zip(*logged, strict=True))
        width = max(1, min(LARGEST_AVERAGE, len(values) // 10))
        axes.plot(steps, values, color=GREY, linewidth=0.6, alpha=0.6, label="each step")
        averaged = np.convolve(values, np.full(width, 1.0 / width), mode="valid")
        axes.plot(steps[width - 1 :], averaged, color=BLUE, label=f"mean of the last {width} steps")
        plain_axes(axes, "training step", "loss", name)
        axes.legend(frameon=False)
    return figure
