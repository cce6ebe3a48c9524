"""A record as one HTML page that needs nothing else: styles and pictures inside, no script, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from loadtest.report.pictures import pictures_of
from loadtest.report.record import Capacity, Figures, Generator, Record

# The policy lets a browser fetch nothing and run nothing, whatever a reply holds that is quoted here.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Load test: {verdict}</title>
<style>
body {{ margin: 0 auto; max-width: 60rem; padding: 1.5rem; color: #1c2024; font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.7rem; }} h2 {{ margin-top: 2.2rem; border-bottom: 1px solid #d9dde1; font-size: 1.2rem; }}
table {{ border-collapse: collapse; font-size: .9rem; }}
th, td {{ padding: .3rem .7rem; border-bottom: 1px solid #d9dde1; text-align: left; vertical-align: top; }}
th {{ color: #5b636b; font-weight: 600; }}
img {{ max-width: 100%; }}
.note {{ background: #fff4e0; padding: .5rem .8rem; }}
</style>
</head>
<body>
"""

Cell = str | int | float | None
Row = Sequence[Cell]


def page_of(record: Record) -> str:
    """The whole page."""
    parts = [
        _HEAD.format(verdict=escape(record.verdict)),
        f"<h1>Load test: {escape(record.verdict)}</h1>",
        f"<p>{escape(record.target)}, {escape(record.started)}</p>",
        *(f"<p>{escape(reason)}</p>" for reason in record.reasons),
        *(f'<p class="note">{escape(note)}</p>' for note in record.notes),
        *_sections(record),
        "</body>\n</html>\n",
    ]
    return "\n".join(parts)


def _sections(record: Record) -> Iterable[str]:
    if record.capacity:
        yield _capacity(record.capacity)
    if record.figures:
        yield _figures(record.figures, record.budget.get("limits", {}))
    for title, svg in pictures_of(record).items():
        data = base64.b64encode(svg.encode()).decode()
        yield f'<h2>{escape(title)}</h2>\n<img alt="{escape(title)}" src="data:image/svg+xml;base64,{data}">'
    if record.stages_ms:
        stages: list[Row] = [(name, *figures.values()) for name, figures in record.stages_ms.items()]
        yield _table("Stages, as the service tells them", ("stage", "p50 ms", "p99 ms"), stages)
    if record.failures:
        yield _table(
            "Errors by kind",
            ("kind", "requests", "first at s", "for example"),
            [(kind, one.count, one.first_at, one.example) for kind, one in record.failures.items()],
        )
    if record.generator:
        yield _generator(record.generator)
    yield _table("Machine of the generator", ("", ""), list(record.machine.items()))
    yield _table("Budget", ("", ""), list(_flat(record.budget)))


def _figures(figures: Figures, limits: Mapping[str, float]) -> str:
    rows = [(name.replace("_", " "), value, limits.get(name, "")) for name, value in figures.model_dump().items()]
    return _table("Figures", ("", "measured", "allowed"), rows)


def _generator(generator: Generator) -> str:
    rows: list[Row] = [
        ("send lag p50, ms", generator.lag_p50_ms),
        ("send lag p99, ms", generator.lag_p99_ms),
        ("CPU, share of one core", generator.cpu_share),
    ]
    return _table("The generator itself", ("", ""), rows)


def _capacity(capacity: Capacity) -> str:
    rows = [
        (point.rate, point.p50_ms, point.p99_ms, point.error_rate, "yes" if point.holds else "no")
        for point in sorted(capacity.points, key=lambda point: point.rate)
    ]
    return _table("Rates that were tried", ("requests/s", "p50 ms", "p99 ms", "error rate", "holds"), rows)


def _flat(content: Mapping[str, object], prefix: str = "") -> Iterable[Row]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _table(title: str, head: Sequence[str], rows: Iterable[Row]) -> str:
    top = f"<tr>{''.join(f'<th>{escape(cell)}</th>' for cell in head)}</tr>\n" if any(head) else ""
    body = "\n".join(f"<tr>{''.join(f'<td>{escape(_text(cell))}</td>' for cell in row)}</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table>\n{top}{body}\n</table>"


def _text(cell: Cell) -> str:
    return "no answer" if cell is None else f"{cell:,.5g}" if isinstance(cell, float) else str(cell)
