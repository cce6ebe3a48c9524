from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from relevance.ranking_metrics import Interval
from training.report.canvas import save_figure
from training.report.studies import Dot, Reference, ScalingPoint, loss_ablation, scaling_curve


def around(mean: float) -> Interval:
    return Interval(mean, mean - 0.1, mean + 0.1)


POINTS = [
    ScalingPoint(multiple, seed, around(0.5 + 0.05 * step + 0.01 * seed), panel=panel)
    for step, multiple in enumerate((0, 1, 4, 16, 64))
    for seed in (0, 1, 2)
    for panel in ("held-out queries", "general check")
]


def test_the_curve_is_the_mean_over_seeds_in_a_band_from_the_lowest_to_the_highest() -> None:
    figure = scaling_curve(POINTS, [Reference("teacher", around(0.8))])
    held_out, general = figure.axes
    curve = next(line for line in held_out.lines if str(line.get_label()).startswith("student"))
    assert curve.get_label() == "student, mean of 3 seeds"
    np.testing.assert_allclose(curve.get_xdata(), [0, 1, 2, 3, 4])
    np.testing.assert_allclose(curve.get_ydata(), 0.51 + 0.05 * np.arange(5))
    bounds = held_out.collections[0].get_paths()[0].get_extents()
    assert (bounds.ymin, bounds.ymax) == pytest.approx((0.51 - 0.01, 0.71 + 0.01))
    assert [label.get_text() for label in held_out.get_xticklabels()] == ["0×", "1×", "4×", "16×", "64×"]
    # Three seeds, their mean, and the teacher where there is one.
    assert (len(held_out.lines), len(general.lines)) == (5, 4)
    assert "nDCG@10" in held_out.get_ylabel()


def test_one_seed_and_one_multiple_are_enough(tmp_path: Path) -> None:
    save_figure(scaling_curve(POINTS[:1]), tmp_path / "curve.svg")
    assert "<svg" in (tmp_path / "curve.svg").read_text(encoding="utf-8")


def test_the_best_loss_of_the_first_panel_is_on_top_in_every_panel(tmp_path: Path) -> None:
    means = {"ranknet": (0.6, 0.9), "margin": (0.8, 0.5), "never": (math.nan, 0.4)}
    rows = [
        Dot(name, around(mean), panel)
        for name, pair in means.items()
        for panel, mean in zip(("held-out queries", "general check"), pair, strict=True)
    ]
    figure = loss_ablation(rows)
    held_out, general = figure.axes
    assert [label.get_text() for label in held_out.get_yticklabels()] == ["margin", "ranknet", "never"]
    assert held_out.yaxis_inverted()
    assert [panel.get_title(loc="left") for panel in (held_out, general)] == ["held-out queries", "general check"]
    # An interval and a dot for each row, but none for what is undefined.
    assert (len(held_out.lines), len(general.lines)) == (4, 6)
    save_figure(figure, tmp_path / "ablation.png")
    assert (tmp_path / "ablation.png").read_bytes().startswith(b"\x89PNG")
