"""Both files of a report."""

from __future__ import annotations

from pathlib import Path

from loadtest.report.page import page_of
from loadtest.report.record import Record


def write_report(record: Record, page: Path) -> Path:
    """Write the HTML to `page` and the JSON beside it, whose path is returned. OSError if they cannot be written."""
    page.parent.mkdir(parents=True, exist_ok=True)
    content = page.with_suffix(".json")
    # The JSON first: it is what cannot be made again.
    content.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    page.write_text(page_of(record), encoding="utf-8")
    return content
