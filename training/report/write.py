"""From a run directory to `RUN/report/`: `report.html`, `report.md` and its pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.report.data import RunData, read_run
from training.report.document import Block, Column, Heading, Paragraph, Picture, Table
from training.report.html import render_html
from training.report.markdown import picture_file, render_markdown
from training.report.mistakes import mistakes_section
from training.report.pool_text import blocks_of_markdown
from training.report.quality import slices_section, systems_section, tests_section
from training.report.scores import calibration_section, histogram_section, training_section
from training.run_directory import whole_file

REPORT = "report"


def write_report(run_directory: Path) -> Path:
    """Write the report of a run whose evaluation is finished, over any older one; returns the HTML file.

    RunDirectoryError if the evaluation is not there or was made by an older version.
    """
    blocks = report_blocks(read_run(run_directory))
    folder = run_directory / REPORT
    folder.mkdir(exist_ok=True)
    pictures = [block for block in blocks if isinstance(block, Picture)]
    wanted = {picture_file(picture): picture.png for picture in pictures}
    wanted["report.md"] = render_markdown(blocks).encode("utf-8")
    wanted["report.html"] = render_html(blocks).encode("utf-8")
    for name, content in wanted.items():
        _write(folder / name, content)
    return folder / "report.html"


def report_blocks(data: RunData) -> list[Block]:
    """The whole report, in order."""
    return [
        Heading(f"Report of the run {data.name}", 1),
        Paragraph(_summary(data.figures)),
        *systems_section(data.figures),
        *tests_section(data.figures),
        *slices_section(data.figures),
        *calibration_section(data.figures, data.held_out),
        *histogram_section(data.held_out),
        *training_section(data.losses),
        *_pool_section(data.pool_report),
        *mistakes_section(data.held_out),
        Heading("Settings"),
        Table([Column("setting", False), Column("value", False)], list(_flat(data.settings))),
    ]


def _pool_section(report: str | None) -> list[Block]:
    return [] if report is None else [Heading("Pool"), *blocks_of_markdown(report)]


def _summary(figures: Mapping[str, Any]) -> str:
    held_out, general = (figures["evaluated"][name] for name in ("held_out", "general"))
    # A run that was evaluated by an older version has no note.
    note = figures.get("calibration_note")
    fitted = f"is {note}" if note else "was fitted on the held-out pairs"
    return (
        f"Teacher, student and what a shop has without training, on {held_out['queries']} held-out queries "
        f"({held_out['pairs']} judged pairs) that nothing was trained on, and on {general['queries']} hand-written "
        f"queries of all kinds of shop. The shipped calibration {fitted}; its error below is "
        f"measured on queries that a fit had not seen.{_ranking(figures)}"
    )


def _ranking(figures: Mapping[str, Any]) -> str:
    note = figures.get("ranking_note")
    return f" On the held-out queries the student {note}." if note else ""


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False)


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as partial:
        partial.write_bytes(content)
