from __future__ import annotations

from pathlib import Path

from matplotlib.image import imread

from loadtest.bench.curve import Curve, Point
from loadtest.bench.plot import draw_curve

CURVE: Curve = {
    "aisle": [Point(100.0, 20.0, 40.0), Point(1000.0, 60.0, 90.0)],
    "infinity": [Point(100.0, 40.0, 80.0), Point(1000.0, 900.0, None)],
}


def test_the_plot_is_a_picture_with_every_systems_colour(tmp_path: Path) -> None:
    draw_curve(CURVE, tmp_path / "curve.png")
    picture = imread(tmp_path / "curve.png")[:, :, :3]
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert ((abs(picture * 255 - colour) < 2).all(axis=2)).any()
