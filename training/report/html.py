"""A report as one HTML page that needs nothing else: styles and pictures inside, no script, nothing fetched."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

from training.report.document import Block, Heading, Paragraph, Picture, Table, one_line

# The policy lets a browser fetch nothing and run nothing, whatever a title holds.
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}
</style>
</head>
<body>
<main>
"""
_STYLE = """:root {
  color-scheme: light dark; --text: #1c2024; --soft: #5b636b; --line: #d9dde1; --page: #fff; --band: #f5f7f9;
}
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e8ea; --soft: #9aa3ab; --line: #3a4148; --page: #16191c; --band: #1f2428; }
}
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); } h3 { margin-top: 1.8rem; }
p { max-width: 48rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; border-bottom-width: 2px; }
tbody tr:nth-child(even) { background: var(--band); }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td:not(.number) { overflow-wrap: break-word; min-width: 5rem; max-width: 26rem; }
figure { margin: 1rem 0; max-width: 52rem; } figcaption { color: var(--soft); font-size: .9rem; }
img { max-width: 100%; height: auto; background: #fff; border-radius: 6px; }"""


def render_html(blocks: Sequence[Block]) -> str:
    """The whole page; its title is the first heading's."""
    title = next((block.text for block in blocks if isinstance(block, Heading)), "Report")
    head = _HEAD.format(title=_text(title), style=_STYLE)
    return head + "\n".join(map(_block, blocks)) + "\n</main>\n</body>\n</html>\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_text(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Table():
            return _table(block)
        case Picture():
            data = base64.b64encode(block.png).decode("ascii")
            image = f'<img alt="{_text(block.alternative)}" src="data:image/png;base64,{data}">'
            return f"<figure>{image}<figcaption>{_text(block.alternative)}</figcaption></figure>"


def _table(table: Table) -> str:
    classes = [' class="number"' if column.numeric else "" for column in table.columns]
    head = "".join(f"<th{kind}>{_text(c.name)}</th>" for kind, c in zip(classes, table.columns, strict=True))
    rows = [
        "<tr>" + "".join(f"<td{kind}>{_text(cell)}</td>" for kind, cell in zip(classes, row, strict=True)) + "</tr>"
        for row in table.rows
    ]
    body = "\n".join(rows)
    return f'<div class="table"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _text(text: str) -> str:
    return escape(one_line(text))
