"""Bundles side by side in what one pays and what one gets: nDCG@10 against pairs/s, and against bytes a product.

`python -m docs.scripts.pareto --run-dir runs/bundled --figure FILE.png NAME=BUNDLE …`: each bundle's service is
asked for the run's held-out queries and the general check, then driven with warm lists of 50 products and 8 clients in
interleaved rounds; medians. A split student has a catalogue of these products, whose bytes are its own.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from statistics import median

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from docs.scripts.served_quality import served, sets_of
from loadtest.bench.arena import Contestant
from loadtest.bench.split_arena import NO_SCORES, shop, write_catalogue
from loadtest.server import launch_aisle, started
from loadtest.systems import Aisle
from loadtest.workload import Body
from relevance.bundle import Bundle, load_bundle
from relevance.catalogue.manifest import read_manifest
from training.evaluation.evaluate import evaluate
from training.evaluation.measure import HEADLINE
from training.report.canvas import BLUE, GREY, new_figure, plain_axes, save_figure

MARKS = "os^vDPX*<>"
"""Of the bundles in their order."""
BODIES, PRODUCTS, CANDIDATES, CLIENTS = 64, 4_000, 50, 8


@dataclass(frozen=True, slots=True)
class Point:
    """One bundle: mean nDCG@10 by set of queries, warm pairs/s through HTTP, bytes kept of a product."""

    quality: Mapping[str, float]
    pairs_per_second: float
    product_bytes: float


@contextmanager
def services(bundles: Mapping[str, Bundle], catalogues: Mapping[str, Path]) -> Iterator[dict[str, Contestant]]:
    """Each bundle's service, ready; a split student's with its catalogue."""
    with ExitStack() as stack:
        made = {}
        for name, bundle in bundles.items():
            catalogue = {"catalogue": catalogues[name]} if name in catalogues else {}
            launch = launch_aisle(bundle.directory, **NO_SCORES, **catalogue)
            made[name] = Contestant(Aisle(), stack.enter_context(started(launch)))
        for contestant in made.values():
            contestant.server.wait_until_ready()
        yield made


def compare(bundles: Mapping[str, Bundle], options: argparse.Namespace) -> dict[str, Point]:
    """Measure every bundle."""
    bodies = list(shop(CANDIDATES, PRODUCTS).bodies(BODIES))
    with tempfile.TemporaryDirectory() as folder:
        catalogues = {
            name: _catalogue(bundle, bodies, Path(folder) / str(number))
            for number, (name, bundle) in enumerate(bundles.items())
            if bundle.manifest.architecture == "split_cross_encoder"
        }
        kept = {name: _bytes_a_product(catalogue) for name, catalogue in catalogues.items()}
        with services(bundles, catalogues) as made:
            quality = _quality(made, options.run_dir)
            speed = _speed(made, bodies, options)
    return {
        name: Point({title: means[name] for title, means in quality.items()}, speed[name], kept.get(name, 0.0))
        for name in bundles
    }


def _catalogue(bundle: Bundle, bodies: Sequence[Body], folder: Path) -> Path:
    folder.mkdir()
    return write_catalogue(bundle, bodies, folder)


def _bytes_a_product(folder: Path) -> float:
    manifest, _ = read_manifest(folder)
    return sum(path.stat().st_size for path in folder.iterdir()) / manifest.products


def _quality(made: Mapping[str, Contestant], run_directory: Path) -> dict[str, Mapping[str, float]]:
    systems = {name: served(one.server) for name, one in made.items()}
    return {title: evaluate(dataset, systems).means(HEADLINE) for title, dataset in sets_of(run_directory).items()}


def _speed(made: Mapping[str, Contestant], bodies: Sequence[Body], options: argparse.Namespace) -> dict[str, float]:
    calls = {name: one.calls(bodies) for name, one in made.items()}
    rounds: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(options.rounds + 1):
        for name, one in made.items():
            rounds[name].append(one.drive(cycle(calls[name]), CLIENTS, options.seconds).pairs_per_second)
    # The first round warms the caches.
    return {name: median(own[1:]) for name, own in rounds.items()}


def table(points: Mapping[str, Point]) -> str:
    """A row for each bundle."""
    lines = [
        "| bundle | held out | general check | pairs/s, warm | bytes a product |",
        "| --- | --: | --: | --: | --: |",
    ]
    for name, point in points.items():
        figures = " | ".join(f"{value:.4f}" for value in point.quality.values())
        lines.append(f"| {name} | {figures} | {point.pairs_per_second:,.0f} | {point.product_bytes:,.0f} |")
    return "\n".join(lines)


def draw(points: Mapping[str, Point], path: Path) -> None:
    """A row of plots for each set of queries: against pairs/s, against bytes."""
    titles = list(next(iter(points.values())).quality)
    figure = new_figure(9.5, 3.4 * len(titles))
    for row, title in enumerate(titles):
        by_speed, by_bytes = (figure.add_subplot(len(titles), 2, 2 * row + column) for column in (1, 2))
        speed = {name: (point.pairs_per_second, point.quality[title]) for name, point in points.items()}
        _scatter(by_speed, speed, sign=1)
        by_speed.set_xscale("log")
        by_speed.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        by_speed.xaxis.set_major_formatter(lambda speed, _: f"{speed:,.0f}")
        by_speed.xaxis.set_minor_locator(NullLocator())
        plain_axes(by_speed, "pairs/s, warm, through HTTP", "nDCG@10", title)
        kept = {name: (point.product_bytes, point.quality[title]) for name, point in points.items()}
        _scatter(by_bytes, kept, sign=-1)
        by_bytes.set_xlim(left=min(0.0, *by_bytes.get_xlim()))
        by_bytes.xaxis.set_major_locator(MaxNLocator(nbins=6))
        by_bytes.xaxis.set_major_formatter(lambda bytes_kept, _: f"{bytes_kept:,.0f}" if bytes_kept >= 0 else "")
        plain_axes(by_bytes, "bytes kept of a product", "nDCG@10", title)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _scatter(axes: Axes, places: Mapping[str, tuple[float, float]], sign: int) -> None:
    """A mark for each bundle, the front in blue: no other is as good in both and better in one, where more x is better
    by `sign`."""
    signed = [(sign * x, gain) for x, gain in places.values()]
    for (name, (x, gain)), mark in zip(places.items(), cycle(MARKS)):
        colour = GREY if is_beaten((sign * x, gain), signed) else BLUE
        axes.scatter([x], [gain], marker=mark, color=colour, label=name, s=42, alpha=0.85, zorder=3)
    axes.margins(x=0.15, y=0.15)


def is_beaten(own: tuple[float, float], all_of_them: Iterable[tuple[float, float]]) -> bool:
    """Whether another is as good in both and better in one; more is better in either."""
    return any(x >= own[0] and gain >= own[1] and (x, gain) != own for x, gain in all_of_them)


def main() -> None:
    """Print the table and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="whose data and split")
    parser.add_argument("--figure", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.5)
    parser.add_argument("bundles", nargs="+", metavar="NAME=BUNDLE")
    options = parser.parse_args()
    named = dict(bundle.split("=", 1) for bundle in options.bundles)
    points = compare({name: load_bundle(Path(place)) for name, place in named.items()}, options)
    print(table(points))
    draw(points, options.figure)


if __name__ == "__main__":
    main()
